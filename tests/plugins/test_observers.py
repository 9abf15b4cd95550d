"""Those who are told: the console, a spreadsheet, TensorBoard."""

from __future__ import annotations

import csv
import json
import logging
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

import seqlab
from seqlab.records import EpochEnded, RunEnded, RunStarted, StepEnded


@pytest.fixture
def run(full, registry):
    """Run the full experiment with observers and other sections."""

    def run(*observers, overrides=(), **sections):
        experiment = full | sections | {"observers": list(observers)}
        return seqlab.run(experiment, overrides=overrides, run_dir="here", registry=registry)

    return run


def test_the_console_prints_the_textbooks_lines(run, capsys):
    run()
    first, second, third, sample, *_ = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"epoch 1, valid perplexity \d+\.\d{6}", first)
    assert re.fullmatch(r"epoch 1, valid perplexity \d+\.\d{6}", second)
    assert re.fullmatch(r"epoch 1, perplexity \d+\.\d{6}, time \d+\.\d\d sec", third)
    assert re.fullmatch(r" - the.{4}", sample)


def test_the_console_prints_as_often_as_there_are_samples(tiny, registry, capsys):
    sections = {"samples": {"prefixes": ["the"], "every": 2}, "train": {"epochs": 5}}
    seqlab.run(tiny | sections, registry=registry)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in lines if line.startswith("epoch")] == [
        *("epoch 2", "epoch 4", "epoch 5"),
    ]


@pytest.mark.parametrize(("epochs", "lines"), [(1, 1), (19, 19), (45, 15)])
def test_the_console_prints_about_twenty_lines_of_a_run_without_samples(epochs, lines, registry):
    console = registry.find("observer", "console").factory()
    started = RunStarted("name", "here", 0, epochs, 1, epochs, 1, 0)
    console.seqlab_run_started(started)
    assert sum(epoch % console._every == 0 for epoch in range(1, epochs + 1)) == lines


@pytest.mark.parametrize(
    ("perplexity", "shown"),
    [(1.0, "1.000000"), (2.5e11, "250000000000.000000"), (1.7e111, "1.700000e+111"),
     (None, "too large for a float")],
)  # fmt: skip
def test_the_console_shows_a_perplexity_in_one_line_however_large(
    registry, capsys, perplexity, shown
):
    console = registry.find("observer", "console").factory(every=1)
    row = {"loss": 1e3, "perplexity": perplexity, "bits_per_character": 1.0, "bits_per_byte": 1.0}
    console.seqlab_epoch_ended(
        EpochEnded(
            **row, step=1, epoch=1, split="train", accuracy=None, tokens=1.0, lr=1.0,
            gradient_norm=1.0, seconds=1.0, tokens_per_second=1.0
        )
    )  # fmt: skip
    assert capsys.readouterr().out == f"epoch 1, perplexity {shown}, time 1.00 sec\n"


def table(path="here/metrics.csv") -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def as_text(rows):
    return [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]


def test_csv_has_the_rows_of_metrics(run):
    metrics = run("csv").metrics
    assert table() == as_text(metrics)


def test_csv_of_a_resumed_run_has_the_rows_of_metrics_each_once(run, registry):
    run("csv")
    resumed = seqlab.resume("here", checkpoint=10, registry=registry)
    assert table() == as_text(resumed.metrics)


def test_csv_of_a_run_that_starts_over_begins_anew(run, registry):
    for saved in (run("csv").path / "checkpoints").iterdir():
        saved.rename(Path(saved.name))
    resumed = seqlab.resume("here", registry=registry)
    assert table() == as_text(resumed.metrics)


def test_csv_of_an_extended_run_has_the_rows_of_metrics(run, registry):
    run("csv", train={"steps": 10, "checkpoint": {"every": 5}})
    longer = seqlab.resume("here", overrides=["train.steps=20"], registry=registry)
    assert table() == as_text(longer.metrics)


def test_csv_that_was_begun_with_other_columns_keeps_them(run, registry):
    path = run("csv").path / "metrics.csv"
    path.write_bytes(path.read_bytes().replace(b",accuracy,", b",correct,", 1))
    rows = as_text(seqlab.resume("here", checkpoint=10, registry=registry).metrics)
    assert [row["loss"] for row in table()] == [row["loss"] for row in rows]
    assert [row["perplexity"] for row in table()] == [row["perplexity"] for row in rows]
    assert table()[-1]["correct"] == ""


@pytest.fixture
def scalars():
    """Read a run's scalars back as TensorBoard does: {tag: [(step, value)]}."""
    pytest.importorskip("tensorboard", reason="tensorboard is an extra; it is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def scalars(tag):
        events = EventAccumulator("here/tensorboard")
        events.Reload()
        return [(event.step, event.value) for event in events.Scalars(tag)]

    return scalars


def expected(run, split):
    rows = [(row["step"], row["loss"]) for row in run.metrics if row["split"] == split]
    return [(step, pytest.approx(loss)) for step, loss in rows]


@pytest.mark.parametrize("split", ["train", "valid"])
def test_tensorboard_has_the_losses(split, run, scalars):
    finished = run("tensorboard")
    assert finished.description["observer_failures"] == []
    assert scalars(f"{split}/loss") == expected(finished, split)


def test_tensorboard_shows_each_step_of_a_resumed_run_once(run, scalars, registry):
    run("tensorboard")
    resumed = seqlab.resume("here", checkpoint=10, registry=registry)
    assert scalars("valid/loss") == expected(resumed, "valid")


def test_without_its_package_tensorboard_says_how_to_get_it(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(seqlab.SeqlabError, match=r"pip install 'seqlab\[tensorboard\]'"):
        run("tensorboard")
    assert not Path("here").exists()


@pytest.fixture
def spikes(registry, caplog):
    """The steps that `gradient_spikes` warns of, where these are the norms of steps 1, 2, …"""
    caplog.set_level(logging.WARNING, "seqlab.gradient_spikes")
    make = registry.find("observer", "gradient_spikes").factory

    def spikes(norms, observer=None, first=1, **options):
        observer = observer or make(**options)
        caplog.clear()
        for step, norm in enumerate(norms, first):
            observer.seqlab_step_ended(StepEnded(step, 1, 1.0, norm, 1.0, 1, 1.0))
        return [int(re.search(r"Step (\d+)", message).group(1)) for message in caplog.messages]

    spikes.make = make
    return spikes


def test_a_gradient_far_above_the_median_is_a_spike(spikes):
    assert spikes([1, 1, 1, 4.9, 5.1, 1], factor=5, steps=3) == [5]


def test_a_spike_is_told_with_its_step_its_size_and_what_is_usual(spikes, caplog):
    spikes([2, 2, 2, 250], factor=5, steps=3)
    assert caplog.messages == [
        "Step 4 has a gradient norm of 250; the median of the last 3 steps is 2"
    ]


def test_nothing_is_a_spike_before_there_is_a_whole_median(spikes):
    assert spikes([1, 1000, 1, 1000, 1], steps=5) == []


def test_gradients_that_stay_large_are_spikes_no_longer(spikes):
    assert spikes([1, 1, 1, *[100] * 6], factor=5, steps=3) == [4, 5]


def test_norms_that_are_missing_or_no_numbers_are_no_spikes_and_spoil_no_median(spikes):
    assert spikes([1, None, 1, math.nan, 1, math.inf, 2], factor=5, steps=3) == []
    assert spikes([1, None, 1, math.nan, 1, math.inf, 6], factor=5, steps=3) == [7]


def test_a_resumed_run_warns_of_the_same_spikes(spikes):
    first, second = spikes.make(steps=3), spikes.make(steps=3)
    spikes([1, 1, 1], first)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert spikes([99, 1], first, 4) == spikes([99, 1], second, 4) == [4]


def test_a_run_remembers_the_norms_that_gradient_spikes_saw(run):
    watched = run({"name": "gradient_spikes", "steps": 4})
    assert watched.description["observer_failures"] == []
    (state,) = [s for name, s in watched.checkpoint.state["observers"].items() if "spikes" in name]
    assert len(state["norms"]) == 4


def test_an_observer_that_ends_without_having_begun_takes_nothing_down(registry):
    for name in ("console", "csv"):
        observer = registry.find("observer", name).factory()
        getattr(observer, "seqlab_run_ended", id)(RunEnded("failed", 0, "here", 0.0))


def test_a_live_bar_leaves_stdout_to_the_lines(full):
    Path("full.json").write_text(json.dumps(full))
    command = [sys.executable, "-m", "seqlab", "run", "full.json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"TTY_COMPATIBLE": "1", "PATH": ""}
    )
    assert "\x1b" in done.stderr
    assert "\x1b" not in done.stdout
