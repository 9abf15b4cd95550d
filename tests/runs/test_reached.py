"""`run.json` has the best and the last numbers of each split."""

from __future__ import annotations

import pytest

import seqlab
from seqlab.runs.reached import Reached, best_of


def without_clock(reached):
    return {
        split: {
            which: {k: v for k, v in numbers.items() if k != "tokens_per_second"}
            for which, numbers in of_split.items()
        }
        for split, of_split in reached.items()
    }


def test_an_ended_run_says_what_it_reached_on_each_split(full_once):
    run = seqlab.open_run(full_once)
    reached = run.description["reached"]
    assert set(reached) == {"train", "valid"}
    for split, numbers in reached.items():
        rows = [row for row in run.metrics if row["split"] == split]
        assert numbers["best"]["loss"] == min(row["loss"] for row in rows)
        assert numbers["last"]["step"] == rows[-1]["step"]
        assert numbers["last"]["perplexity"] == rows[-1]["perplexity"]


def test_a_run_that_was_killed_and_resumed_says_the_same(full_once, killed, registry):
    whole = seqlab.open_run(full_once)
    resumed = seqlab.resume(killed(whole, 10), registry=registry)
    again, before = (without_clock(run.description["reached"]) for run in (resumed, whole))
    assert again == before


def test_a_number_that_is_none_is_no_best():
    rows = [
        {"split": "train", "step": step, "epoch": 1, "loss": loss, "perplexity": None}
        for step, loss in enumerate([float("nan"), 2.0, float("inf")])
    ]
    reached = Reached(rows).as_json()
    assert reached["train"]["best"]["loss"] == 2.0
    assert reached["train"]["last"]["loss"] is None


@pytest.mark.parametrize("splits", [["train", "valid"], ["valid", "train"]])
def test_the_best_is_of_the_evaluated_split(splits):
    numbers = {"best": {"loss": 1.0}, "last": {"loss": 2.0}}
    found = best_of(dict.fromkeys(splits, numbers))
    assert found is not None
    assert found[0] == "valid"
    assert best_of({}) is None
