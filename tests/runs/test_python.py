"""What the command does, a notebook does too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

import seqlab
from seqlab.errors import CheckpointError, ExperimentError, UsageError
from seqlab.experiment.yaml12 import dump_yaml


def test_running_an_experiment_gives_its_numbers_and_its_text(tiny):
    run = seqlab.run(tiny, overrides=["train.epochs=3"])
    assert [row["epoch"] for row in run.metrics] == [1, 2, 3]
    (generated,) = run.generate("the", length=9)
    assert generated.text.startswith("the")
    assert len(generated.text) == 12


def test_an_opened_run_says_what_the_finished_one_said(tiny):
    run = seqlab.run(tiny)
    assert seqlab.open_run(run.path).generate("the") == run.generate("the")


def test_equal_seeds_give_equal_bits_and_others_do_not(tiny):
    one, two, other = (seqlab.run(tiny, overrides=[f"train.seed={s}"]).model for s in (1, 1, 2))
    assert torch.equal(one.head.weight, two.head.weight)
    assert not torch.equal(one.head.weight, other.head.weight)


def test_the_numbers_of_a_row_agree_with_each_other(tiny):
    (row,) = seqlab.run(tiny).metrics
    assert row["perplexity"] == pytest.approx(2.718281828459045 ** row["loss"])
    assert row["bits_per_character"] == pytest.approx(row["loss"] / 0.6931471805599453)
    assert row["tokens"] == 62 * 4 * 8


def test_steps_may_end_in_the_middle_of_an_epoch(tiny):
    tiny["train"] = {"steps": 100}
    rows = seqlab.run(tiny).metrics
    assert [(row["step"], row["epoch"]) for row in rows] == [(62, 1), (100, 2)]


def test_a_learned_embedding_with_every_extra_trains(tiny):
    tiny["model"] = {
        "embedding": 16,
        "dropout": 0.1,
        "tie_weights": True,
        "layers": 2,
        "residual": True,
        "norm": "rms",
    }
    rows = seqlab.run(tiny, overrides=["train.epochs=3"]).metrics
    assert rows[-1]["loss"] < rows[0]["loss"]


OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop", "adagrad", "muon")
SCHEDULES = ("constant", "cosine", "linear", "one_cycle")


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [
        pytest.param(optimizer, schedule, marks=[pytest.mark.slow] if (i + j) % 3 else [])
        for i, optimizer in enumerate(OPTIMIZERS)
        for j, schedule in enumerate(SCHEDULES)
    ],
)
def test_every_optimizer_trains_under_every_schedule(optimizer, schedule, tiny):
    tiny |= {"optimizer": {"name": optimizer, "clip_norm": 1.0}, "schedule": schedule}
    rows = seqlab.run(tiny, overrides=["train.epochs=2"]).metrics
    assert rows[-1]["loss"] < 3.4


def test_a_run_without_a_checkpoint_says_so(tiny):
    run = seqlab.run(tiny)
    (run.path / "checkpoints").rename("elsewhere")
    with pytest.raises(CheckpointError, match="has no checkpoint"):
        seqlab.open_run(run.path).generate("the")


def test_a_run_is_opened_at_its_best_checkpoint_or_at_a_step(full, registry):
    run = seqlab.run(full, overrides=["optimizer.lr=3"], registry=registry)
    scored = [row for row in run.metrics if row["split"] == "valid"]
    best = min(scored, key=lambda row: row["loss"])
    assert best["step"] < 20
    opened = {
        which: seqlab.open_run(run.path, checkpoint=which, registry=registry)
        for which in ("latest", "best", 10)
    }
    steps = {which: one.checkpoint.step for which, one in opened.items()}
    assert steps == {"latest": 20, "best": best["step"], 10: 10}
    assert opened["best"].evaluate()["loss"] == pytest.approx(best["loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("which", "error", "message"),
    [
        ("best", CheckpointError, "has no best checkpoint"),
        (3, CheckpointError, "has no checkpoint of step 3; there are: "),
        ("first", UsageError, "a checkpoint is a step, best or latest, not 'first'"),
    ],
)
def test_a_checkpoint_that_is_not_there_is_told(which, error, message, tiny):
    run = seqlab.run(tiny)
    with pytest.raises(error, match=message):
        seqlab.open_run(run.path, checkpoint=which).generate("the")


def test_the_test_split_is_not_looked_at_in_training(full):
    with pytest.raises(ExperimentError, match="`test` is for an evaluation at the end"):
        seqlab.run(full, overrides=["evaluation.split=test"])


def test_rows_are_json_even_where_nothing_was_learnt(tiny):
    skipping = ["train.on_nonfinite=skip", "optimizer.lr=1e38", "train.epochs=3"]
    run = seqlab.run(tiny, overrides=skipping)
    assert run.metrics[-1]["loss"] is None
    assert "NaN" not in (run.path / "metrics.jsonl").read_text("utf-8")


def test_a_length_of_nothing_is_refused(tiny):
    with pytest.raises(UsageError, match="at least 1"):
        seqlab.run(tiny).generate("the", length=0)


@pytest.mark.parametrize("count", ["rows", "batch_size", "window"])
@pytest.mark.parametrize("value", [0, -3])
def test_a_count_below_one_is_refused_by_its_name(count, value, tiny, registry):
    run = seqlab.run(tiny | {"train": {"steps": 0}}, registry=registry)
    with pytest.raises(UsageError, match=f"{count} should be at least 1; it is {value}"):
        run.evaluate("train", **{count: value})


def test_names_of_runs_cannot_leave_the_root(tiny):
    experiment = seqlab.read_experiment(tiny, name="../../elsewhere")
    run = seqlab.run(experiment, root="runs")
    assert run.path.resolve().is_relative_to(run.path.cwd() / "runs")


def test_the_log_keeps_what_was_warned_about(tiny):
    tiny["samples"] = {"prefixes": ["分开"]}
    assert "it is skipped" in (seqlab.run(tiny).path / "log.txt").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_compiled_model_learns_what_the_other_one_learns(tiny):
    """In a process of its own: the compiler would stay loaded in this one."""
    Path("tiny.yaml").write_text(dump_yaml(tiny | {"model": {"embedding": 8}}), "utf-8")
    plain = seqlab.run("tiny.yaml", run_dir="plain")
    command = [sys.executable, "-m", "seqlab", "run", "tiny.yaml", "--set", "train.compile=true"]
    subprocess.run([*command, "--run-dir", "compiled"], check=True)
    compiled = seqlab.open_run("compiled")
    assert compiled.metrics[0]["loss"] == pytest.approx(plain.metrics[0]["loss"], rel=1e-4)
    assert compiled.checkpoint.weights.keys() == plain.checkpoint.weights.keys()
    assert compiled.generate("the", length=5)[0].text == plain.generate("the", length=5)[0].text
