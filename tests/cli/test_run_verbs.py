"""resume, eval, compare and doctor, as a user calls them."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import pytest

import seqlab
from seqlab.experiment.yaml12 import dump_yaml
from seqlab.training.checkpoint import steps_saved


@pytest.fixture
def file(full):
    """A file with the full experiment."""
    path = Path("full.yaml")
    path.write_text(dump_yaml(full), "utf-8")
    return path


@pytest.fixture
def here(seqlab_command, file):
    """A finished run in `here`."""
    assert seqlab_command("run", file, "--run-dir", "here").code == 0
    return Path("here")


def unfinish(folder, at) -> None:
    """Leave a run as a kill would: no checkpoint after step `at`, and no end."""
    for step in steps_saved(folder / "checkpoints"):
        if step > at:
            shutil.rmtree(folder / f"checkpoints/step-{step:08d}")
    known = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(known | {"status": "running"}))


# -- resume


def test_resume_goes_on_to_the_same_end(seqlab_command, here, facts):
    expected = facts(seqlab.open_run(here))
    unfinish(here, 10)
    result = seqlab_command("resume", "here")
    assert (result.code, facts(seqlab.open_run(here))) == (0, expected)
    assert "Resuming here after step 10" in result.err
    assert result.err.endswith("seqlab: The run is in here\n")


@pytest.mark.parametrize("word", ["latest", "full"])
def test_resume_finds_a_run_by_its_name(word, seqlab_command, file):
    seqlab_command("run", file)
    assert seqlab_command("resume", word, "--set", "train.steps=22").code == 0
    assert seqlab.open_run("latest").description["step"] == 22


def test_a_run_in_a_folder_of_its_own_has_the_name_of_its_experiment(seqlab_command, file):
    seqlab_command("run", file, "--run-dir", "runs/mine")
    assert json.loads(seqlab_command("runs", "--json").out)[0]["run"] == "full"
    assert seqlab_command("eval", "full").code == 0


@pytest.mark.parametrize("verb", [("eval",), ("generate", "--prefix", "the")])
def test_the_model_is_that_of_the_checkpoint_that_is_meant(verb, seqlab_command, here):
    whole = seqlab_command(verb[0], "here", *verb[1:], "--checkpoint", "5")
    assert whole.code == 0
    assert whole.out != seqlab_command(verb[0], "here", *verb[1:]).out
    refused = seqlab_command(verb[0], "here", *verb[1:], "--checkpoint", "4")
    assert (refused.code, refused.err.count("\n")) == (4, 1)
    mistaken = seqlab_command(verb[0], "here", *verb[1:], "--checkpoint", "worst")
    assert (mistaken.code, "a step, best or latest, not 'worst'" in mistaken.err) == (2, True)


def test_resume_of_a_finished_run_says_how_to_extend_it(seqlab_command, here):
    result = seqlab_command("resume", "here")
    assert result.code == 2
    assert "has all of its 20 steps; to go on, say --set train.steps=N" in result.err


def test_resume_changes_nothing_that_makes_the_run(seqlab_command, here):
    result = seqlab_command("resume", "here", "--set", "cell=lstm")
    assert result.code == 2
    assert "--set cell=lstm: a run that is resumed keeps its settings" in result.err


def test_resume_on_another_text_stops_with_code_4(seqlab_command, here, text_file):
    unfinish(here, 10)
    text_file.write_text("another text altogether, with the same words. " * 60)
    result = seqlab_command("resume", "here")
    assert result.code == 4
    assert "is another text than the run was begun with" in result.err


def test_resume_from_a_step_that_was_not_saved_names_those_that_were(seqlab_command, here):
    result = seqlab_command("resume", "here", "--checkpoint", 11)
    assert result.code == 4
    assert "has no checkpoint of step 11; there are: 3, 5, 6, 9, 10, " in result.err


def test_resume_of_what_is_no_run_is_refused(seqlab_command):
    Path("empty").mkdir()
    assert seqlab_command("resume", "empty").code == 2


# -- run --resume auto


def test_auto_goes_on_with_the_run_that_did_not_end(seqlab_command, file, facts):
    seqlab_command("run", file)
    run = seqlab.open_run("latest")
    expected = facts(run)
    unfinish(run.path, 10)
    assert seqlab_command("run", file, "--resume", "auto").code == 0
    assert facts(seqlab.open_run("latest")) == expected
    assert len(list(Path("runs").glob("*/*/run.json"))) == 1


def test_auto_begins_a_new_run_where_there_is_none_of_this_experiment(seqlab_command, file):
    seqlab_command("run", file)
    unfinish(seqlab.open_run("latest").path, 10)
    changed = ("--set", "cell.hidden_size=9")
    assert seqlab_command("run", file, "--resume", "auto", *changed).code == 0
    assert len(list(Path("runs").glob("*/*/run.json"))) == 2


@pytest.mark.parametrize("where", [(), ("--run-dir", "here")])
def test_auto_trains_nothing_again_that_is_finished(seqlab_command, file, where):
    seqlab_command("run", file, *where)
    before = sorted(Path().rglob("*"))
    done = seqlab_command("run", file, "--resume", "auto", *where)
    assert done.code == 0
    assert "A run of this experiment is finished: " in done.err
    assert sorted(Path().rglob("*")) == before


def test_auto_goes_on_in_a_folder_of_its_own_and_begins_it_first(seqlab_command, file, facts):
    again = ("run", file, "--run-dir", "here", "--resume", "auto")
    assert seqlab_command(*again).code == 0
    expected = facts(seqlab.open_run("here"))
    unfinish(Path("here"), 10)
    assert seqlab_command(*again).code == 0
    assert facts(seqlab.open_run("here")) == expected


def test_auto_finds_a_run_whose_shards_are_as_many_as_its_processes(seqlab_command, file):
    again = ("run", file, "--workers", "2", "--resume", "auto")
    assert [seqlab_command(*again).code for _ in range(2)] == [0, 0]
    assert len(list(Path("runs").glob("*/*/run.json"))) == 1


def test_auto_passes_over_a_damaged_run(seqlab_command, file):
    seqlab_command("run", file)
    (seqlab.open_run("latest").path / "run.json").write_text("{")
    assert seqlab_command("run", file, "--resume", "auto").code == 0


# -- eval


def test_eval_gives_a_program_the_number_of_the_run(seqlab_command, here):
    scores = json.loads(seqlab_command("eval", "here", "--json").out)
    last = seqlab.open_run(here).metrics[-1]
    assert (scores["split"], scores["step"]) == ("valid", 20)
    assert scores["loss"] == pytest.approx(last["loss"], rel=1e-9)


def test_eval_prints_what_was_measured_and_nothing_else(seqlab_command, here):
    lines = dict(line.split("\t") for line in seqlab_command("eval", "here").out.splitlines())
    assert {"loss", "perplexity", "bits_per_character", "bits_per_byte"} <= lines.keys()
    assert "accuracy" not in lines


def test_eval_is_the_same_for_any_batch_size_and_window(seqlab_command, here):
    losses = [
        json.loads(seqlab_command("eval", "here", "--json", *arguments).out)["loss"]
        for arguments in ((), ("--batch-size", 3), ("--window", 5))
    ]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--split", "test"), 4, "has no split 'test' (it has train, valid)"),
        (("--rows", 0), 2, "0 is not in the range 1 to 1,048,576"),
    ],
)
def test_eval_refuses_what_cannot_be(arguments, code, message, seqlab_command, here):
    result = seqlab_command("eval", "here", *arguments)
    assert result.code == code
    assert message in result.err


def test_eval_on_another_text_stops_with_code_4(seqlab_command, here, text_file):
    text_file.write_text(text_file.read_text().replace("fox", "dog", 1))
    assert seqlab_command("eval", "here").code == 4


# -- compare


@pytest.fixture
def two(seqlab_command, file, here):
    seqlab_command("run", file, "--set", "cell.hidden_size=9", "--run-dir", "there")
    return ("compare", "here", "there")


def test_compare_shows_what_differs(two, seqlab_command):
    lines = seqlab_command(*two).out.splitlines()
    assert lines[0] == "name\there\tthere\tbest"
    assert lines[3] == "cell.hidden_size\t8\t9\t"
    assert not any(line.startswith("cell.name") for line in lines)


def test_compare_gives_json_and_csv_of_one_content(two, seqlab_command):
    rows = json.loads(seqlab_command(*two, "--json").out)
    table = list(csv.reader(seqlab_command(*two, "--csv").out.splitlines()))
    assert [row["name"] for row in rows] == table[0][1:3] == ["here", "there"]
    for line in table[1:]:
        assert line[1:3] == ["" if row[line[0]] is None else str(row[line[0]]) for row in rows]
        assert line[3:] == [", ".join(row["name"] for row in rows if line[0] in row["best"])]


def test_compare_prints_a_table_in_markdown(two, seqlab_command):
    header, rule, *body = seqlab_command(*two, "--markdown").out.splitlines()
    assert (header, rule) == ("| name | here | there |", "| --- | --- | --- |")
    assert all(line.count("|") == 4 for line in body)


def test_compare_warns_of_other_corpora_on_stderr(seqlab_command, file, here, text_file):
    text_file.write_text(text_file.read_text().replace("fox", "dog", 1))
    seqlab_command("run", file, "--run-dir", "there")
    result = seqlab_command("compare", "here", "there")
    assert "warning: The corpora differ" in result.err
    assert "warning" not in result.out


def test_compare_names_a_run_that_is_not_there(seqlab_command, here):
    result = seqlab_command("compare", "here", "nobody")
    assert result.code == 2
    assert "nobody" in result.err


# -- doctor


WITHOUT_TENSORBOARD = "observer 'tensorboard' needs a package: pip install 'seqlab[tensorboard]'"
BUILDS_NOTHING = """
    import seqlab

    def nothing():
        raise RuntimeError("oh no")

    @seqlab.hookimpl
    def seqlab_register_decoders():
        return {"nothing": nothing}
"""


def test_doctor_names_what_cannot_be_built(seqlab_command, drop):
    drop(BUILDS_NOTHING)
    result = seqlab_command("doctor")
    assert result.code == 3
    message = "cannot be built: RuntimeError: oh no (plugin 'dropped')"
    assert f"decoder nothing\t{message}" in result.out


@pytest.mark.parametrize("raised", ["SystemExit", "KeyboardInterrupt"])
def test_doctor_goes_on_after_a_factory_that_would_end_the_process(seqlab_command, drop, raised):
    drop(BUILDS_NOTHING.replace("RuntimeError", raised))
    result = seqlab_command("doctor")
    assert result.code == 3
    assert f"decoder nothing\tcannot be built: {raised}: oh no (plugin 'dropped')" in result.out
    assert "observer csv\tok" in result.out


UNWELL = """
    import seqlab

    class Unwell:
        def choose(self, logits, history, uniform):
            return logits.argmax(-1)

        def condition_here(self):
            return "slow; pip install more"

    @seqlab.hookimpl
    def seqlab_register_decoders():
        return {"unwell": Unwell}
"""


def test_doctor_prints_what_a_component_says_of_its_condition(seqlab_command, drop):
    drop(UNWELL)
    result = seqlab_command("doctor")
    assert result.code == 0
    assert "decoder unwell\tok: slow; pip install more\n" in result.out


def test_doctor_downloads_nothing(seqlab_command, monkeypatch):
    monkeypatch.delenv("SEQLAB_OFFLINE", raising=False)
    result = seqlab_command("doctor")
    assert result.out.count("nothing is downloaded without a run") == 6
    assert "SEQLAB_OFFLINE" not in os.environ


def test_doctor_finds_nothing_wrong_with_what_is_right(seqlab_command, here):
    result = seqlab_command("doctor", "here")
    assert result.code == 0
    states = dict(line.split("\t", 1) for line in result.out.splitlines()[1:])
    published = "enwik8", "one_billion_words", "penn_treebank", "text8", "wikitext"
    for name in ("jay_lyrics", "tiny_shakespeare", *published):
        assert states.pop(f"corpus {name}").startswith("not here: ")
    files = "text", "folder", "csv", "jsonl", "parquet", "tokens", "binary"
    needing = {f"corpus {name}": "path" for name in files} | {
        "tokenizer file": "path",
        "embedding learned": "size",
        "objective distillation": "teacher",
        "exporter hub": "repo",
    }
    for name, option in needing.items():
        reason = f"not here: option '{option}' has no default; give it a value"
        assert states.pop(name) == reason
    assert states.pop("corpus hugging_face").startswith("not here: ")
    assert states.pop("observer tensorboard") in {"ok", f"not here: {WITHOUT_TENSORBOARD}"}
    scans = "min_gru", "selective_state_space", "gated_linear_attention", "qrnn", "rg_lru", "rwkv7"
    memories = "delta_net", "gated_delta_net", "hgrn2", "mamba2", "mlstm", "retention"
    for name in ("rnn", "lstm", "gru", "lora", *scans, *memories):
        assert states.pop(f"cell {name}").startswith(("ok: loops are comp", "ok: no loop is comp"))
    assert set(states.values()) == {"ok"}
    assert "here/checkpoints/step-00000020\tok" in result.out


def test_doctor_names_a_plugin_that_fails(seqlab_command, drop):
    drop("raise RuntimeError('oh no')", "broken")
    result = seqlab_command("doctor")
    assert result.code == 3
    assert "oh no" in next(line for line in result.out.splitlines() if "broken" in line)


def test_doctor_names_every_damaged_checkpoint(seqlab_command, here):
    for step in (10, 20):
        path = here / f"checkpoints/step-{step:08d}/state.safetensors"
        path.write_bytes(path.read_bytes()[:-1])
    result = seqlab_command("doctor", "here")
    assert result.code == 4
    assert result.out.count("state.safetensors: is damaged") == 2


def test_doctor_names_a_run_without_checkpoints(seqlab_command, here):
    shutil.rmtree(here / "checkpoints")
    result = seqlab_command("doctor", "here")
    assert result.code == 4
    assert "here: has none" in result.out


def test_doctor_names_what_the_run_uses_and_nobody_offers(seqlab_command, here):
    result = seqlab_command("doctor", "here", "--no-plugin", "seqlab-cells")
    assert result.code in {2, 3}
    assert "gru" in result.out
