from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest
import yaml

from seqlab.experiment.yaml12 import dump_yaml


def test_a_run_without_a_terminal_prints_the_textbooks_lines(seqlab_command, experiment):
    result = seqlab_command(
        "run",
        experiment,
        "--set",
        "samples={prefixes: [the], length: 5}",
        "--set",
        "train.epochs=2",
    )
    lines = result.out.splitlines()
    assert result.code == 0
    assert [line.split(",")[0] for line in lines[::2]] == ["epoch 1", "epoch 2"]
    assert all(line.startswith(" - the") and len(line) == 11 for line in lines[1::2])


def test_the_folder_of_a_run_holds_what_was_promised(seqlab_command, experiment):
    seqlab_command("run", experiment, "--run-dir", "here")
    names = {str(path.relative_to("here")) for path in Path("here").rglob("*") if path.is_file()}
    checkpoint = "checkpoints/step-00000062"
    assert names == {
        *("experiment.yaml", "resolved.yaml", "run.json", "log.txt"),
        *("metrics.jsonl", "samples.jsonl", "run.lock", "packages.txt"),
        f"{checkpoint}/manifest.json",
        *(f"{checkpoint}/model.safetensors", f"{checkpoint}/state.safetensors"),
    }


def test_a_resolved_experiment_runs_again_to_the_same_numbers(seqlab_command, experiment):
    seqlab_command("run", experiment, "--run-dir", "one")
    seqlab_command("run", "one/resolved.yaml", "--run-dir", "two")
    first, second = (json.loads(Path(run, "metrics.jsonl").read_text()) for run in ("one", "two"))
    assert first["loss"] == second["loss"]


def test_no_secret_of_the_environment_reaches_the_folder(seqlab_command, experiment, monkeypatch):
    monkeypatch.setenv("API_TOKEN", "open-sesame")
    seqlab_command("run", experiment, "--run-dir", "here")
    files = [path for path in Path("here").rglob("*") if path.is_file()]
    assert not any(b"open-sesame" in path.read_bytes() for path in files)


def test_a_run_is_described_with_all_that_it_was_made_with(seqlab_command, experiment):
    seqlab_command("run", experiment, "--set", "train.seed=7", "--run-dir", "here")
    known = json.loads(Path("here/run.json").read_text())
    assert (known["format"], known["status"], known["seed"], known["step"]) == (
        1,
        "finished",
        7,
        62,
    )
    assert known["overrides"] == ["train.seed=7"]
    assert {"seqlab", "python", "torch", "numpy"} <= known["versions"].keys()
    assert all(plugin["source_sha256"] for plugin in known["plugins"])
    assert known["corpus"]["name"] == "text"


def test_an_occupied_folder_is_refused_and_left_alone(seqlab_command, experiment):
    seqlab_command("run", experiment, "--run-dir", "here")
    before = Path("here/run.json").read_bytes()
    result = seqlab_command("run", experiment, "--run-dir", "here")
    assert (result.code, Path("here/run.json").read_bytes()) == (2, before)
    assert "already holds a run" in result.err


def test_every_complaint_comes_at_once_with_its_place(seqlab_command, experiment):
    result = seqlab_command(
        "run", experiment, "--set", "cell.hiden=4", "--set", "train.epochs=true", "--set", "x=1"
    )
    assert result.code == 2
    assert "cell.hiden: cell 'rnn' has no option 'hiden'; did you mean 'hidden_size'?" in result.err
    assert "train.epochs: should be a valid integer; it is true" in result.err
    assert "unknown section 'x'" in result.err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("corpus", "location"),
    [
        ("corpus:\n  name: text\n  path: gone.txt\n", "mine.yaml:3:9: corpus.path: gone.txt"),
        ("corpus: {name: text, path: text.txt}\n", "mine.yaml:2:13: evaluation.split: corpus"),
    ],
)
def test_a_corpus_that_lacks_something_is_told_where_that_is_asked_for(
    corpus, location, seqlab_command, tiny
):
    rest = dump_yaml({key: section for key, section in tiny.items() if key != "corpus"})
    Path("mine.yaml").write_text(f"{corpus}evaluation: {{every: 1 epoch}}\n{rest}", "utf-8")
    result = seqlab_command("run", "mine.yaml")
    (complaint,) = result.complaints
    assert result.code == 4
    assert complaint.startswith(f"seqlab: {location}")


def test_seeds_make_a_run_each_and_show_them_side_by_side(seqlab_command, experiment):
    result = seqlab_command("run", experiment, "--seeds", 2)
    seeds = sorted(json.loads(p.read_text())["seed"] for p in Path("runs").glob("*/*/run.json"))
    assert seeds == [0, 1]
    assert "median" in result.out
    assert "worst" in result.out


def test_seeds_beyond_the_largest_are_refused_before_anything_is_trained(
    seqlab_command, experiment
):
    top = 2**63 - 1
    result = seqlab_command("run", experiment, "--set", f"train.seed={top}", "--seeds", 2)
    assert result.code == 2
    assert f"the largest is {top}; take a smaller train.seed" in result.err
    assert not Path("runs").exists()


def test_what_is_left_of_an_interrupted_set_of_seeds_can_be_pasted(seqlab_command, experiment):
    Path("my plugins").mkdir()
    Path("my plugins/impatient.py").write_text(ASKING)
    places = ("--plugins", "my plugins", "--root", "my runs")
    overrides = ("--set", "train={epochs: 3, seed: 7}", "--set", "observers=[impatient]")
    result = seqlab_command("run", experiment, "--seeds", 3, *overrides, *places)
    _, *advice = shlex.split(result.err.splitlines()[-2].partition("to run them: ")[2])
    seqlab_command(*advice, "--set", "observers=[]")
    known = [json.loads(p.read_text()) for p in Path("my runs").glob("*/*/run.json")]
    ends = sorted((run["seed"], run["status"]) for run in known)
    assert ends == [(7, "interrupted"), (8, "finished"), (9, "finished")]


def test_untrained_weights_speak_too(seqlab_command, experiment):
    result = seqlab_command(
        "run", experiment, "--set", "train.epochs=0", "--set", "samples={prefixes: [the]}"
    )
    assert result.code == 0
    assert result.out.startswith(" - the")


def test_sample_prefixes_that_the_vocabulary_lacks_are_named_and_skipped(
    seqlab_command, experiment
):
    result = seqlab_command(
        "run", experiment, "--set", "samples={prefixes: [分开, the], length: 3}"
    )
    assert result.code == 0
    assert "'分' (U+5206) at position 0 is not in the vocabulary" in result.err
    assert result.out.count(" - ") == 1


def test_a_loss_that_is_not_finite_ends_the_run_with_its_place(seqlab_command, experiment):
    result = seqlab_command(
        "run", experiment, "--set", "optimizer={name: sgd, lr: 1e300}", "--run-dir", "here"
    )
    assert result.code == 1
    assert "is not finite" in result.err
    assert json.loads(Path("here/run.json").read_text())["status"] == "failed"


def test_a_folder_that_cannot_be_made_is_told_before_training(seqlab_command, experiment):
    result = seqlab_command("run", experiment, "--run-dir", "text.txt/run")
    assert (result.code, result.out) == (2, "")
    assert "text.txt/run: cannot be a run's folder (Not a directory)" in result.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told_before_training(seqlab_command, experiment):
    Path("closed").mkdir(mode=0o500)
    result = seqlab_command("run", experiment, "--run-dir", "closed/run")
    assert result.code == 1
    assert "cannot be made or written" in result.err


def test_a_full_disk_ends_the_run_with_one_line(seqlab_command, experiment, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    assert seqlab_command("run", experiment, "--run-dir", "before").code == 0  # the tokens are kept
    monkeypatch.setattr("os.fsync", full)
    result = seqlab_command("run", experiment, "--run-dir", "here")
    assert result.code == 1
    assert "seqlab: here: cannot be made or written (No space left on device)" in result.err
    assert not Path("here").exists()


def test_a_second_ctrl_c_ends_the_run_at_once_and_leaves_what_was_measured(
    seqlab_command, experiment
):
    Path("plugins").mkdir()
    Path("plugins/impatient.py").write_text(f"{ASKING}\n".replace(PRESSED, f"{PRESSED}, {PRESSED}"))
    result = seqlab_command(
        *("run", experiment, "--set", "observers=[impatient]", "--set", "train.epochs=9"),
        *("--run-dir", "here"),
    )
    assert result.code == 130
    assert json.loads(Path("here/run.json").read_text())["status"] == "interrupted"
    assert len(Path("here/metrics.jsonl").read_text().splitlines()) == 2


def test_what_an_interrupted_run_says_can_be_pasted(seqlab_command, experiment):
    Path("my plugins").mkdir()
    Path("my plugins/impatient.py").write_text(ASKING)
    experiment.write_text(f"{experiment.read_text()}\nobservers: [impatient]\n")
    options = ("--plugins", "my plugins", "--no-plugin", "seqlab-bpe", "--run-dir", "my run")
    result = seqlab_command("run", experiment, "--set", "train.epochs=3", *options)
    command, *advice = shlex.split(result.err.splitlines()[-1].partition("To go on: ")[2])
    assert (result.code, command) == (130, "seqlab")
    assert seqlab_command(*advice).code == 0


IMPATIENT = '''
import signal
import seqlab

class Impatient:
    """Presses Ctrl-C after the second epoch."""

    def seqlab_epoch_ended(self, record):
        if record.epoch == 2:
            raise KeyboardInterrupt

@seqlab.hookimpl
def seqlab_register_observers():
    return {"impatient": Impatient}
'''
PRESSED = "signal.raise_signal(signal.SIGINT)"
ASKING = IMPATIENT.replace("raise KeyboardInterrupt", PRESSED)


def test_a_broken_observer_is_named_and_never_ends_the_run(seqlab_command, experiment):
    Path("plugins").mkdir()
    Path("plugins/broken.py").write_text(IMPATIENT.replace("KeyboardInterrupt", "ValueError('oh')"))
    result = seqlab_command(
        "run", experiment, "--set", "observers=[impatient]", "--set", "train.epochs=3"
    )
    assert result.code == 0
    assert result.err.count("observer 'impatient' failed: ValueError: oh") == 2


def test_dropped_in_plugins_that_were_used_are_kept_with_the_run(seqlab_command, experiment):
    Path("plugins").mkdir()
    for name in ("used", "unused"):
        Path(f"plugins/{name}.py").write_text(IMPATIENT.replace('"impatient"', f'"{name}"'))
    seqlab_command("run", experiment, "--set", "observers=[used]", "--run-dir", "here")
    assert [path.name for path in Path("here/plugins").iterdir()] == ["used.py"]


def test_a_profile_says_where_a_step_goes_and_leaves_a_trace(seqlab_command, experiment):
    plain = seqlab_command("run", experiment, "--run-dir", "plain")
    result = seqlab_command("run", experiment, "--run-dir", "here", "--profile")
    assert (plain.code, result.code) == (0, 0)
    parts = dict(line.split("\t")[:2] for line in result.out.splitlines() if "\t" in line)
    assert list(parts)[1:] == [
        *("data", "forward", "backward", "clip", "optimizer", "host", "all"),
    ]
    assert all(float(parts[name]) > 0 for name in list(parts)[1:])
    spans = {
        event.get("name")
        for event in json.loads(Path("here/profile.json").read_text())["traceEvents"]
    }
    assert {"seqlab: forward", "seqlab: optimizer"} <= spans
    losses = [
        [json.loads(line)["loss"] for line in Path(run, "metrics.jsonl").read_text().splitlines()]
        for run in ("plain", "here")
    ]
    assert losses[0] == losses[1]


def test_several_seeds_are_not_gone_on_with_as_one_run(seqlab_command, experiment):
    result = seqlab_command("run", experiment, "--seeds", "2", "--resume", "auto")
    assert result.code == 2
    assert "--resume is for one run; with --seeds name each: seqlab resume RUN" in result.err


def test_a_profile_is_of_one_new_run(seqlab_command, experiment):
    result = seqlab_command("run", experiment, "--profile", "--seeds", "2")
    assert result.code == 2
    assert "--profile is for one new run" in result.err


def test_the_whole_experiment_is_printed_with_where_each_value_comes_from(
    seqlab_command, experiment
):
    section = "cell={name: stack, layers: [{name: gru, hidden_size: 3}, mlp]}"
    sets = ["--set", section, "--set", "cell.layers.0.hidden_size=4", "--set", "train.epochs=0"]
    printed = seqlab_command("run", experiment, *sets, "--print-config").out
    assert "hidden_size: 4  # --set cell.layers.0.hidden_size=4\n" in printed
    assert "num_layers: 1  # default in " in printed
    assert not Path("runs").exists()
    Path("printed.yaml").write_text(printed, "utf-8")
    again = seqlab_command("run", "printed.yaml", "--print-config").out
    assert yaml.safe_load(again) == yaml.safe_load(printed)
    assert seqlab_command("run", "printed.yaml", "--run-dir", "here").code == 0
