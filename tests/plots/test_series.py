"""Rows of runs become lines."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.errors import UsageError
from seqlab.plots.axes import Axes, positions
from seqlab.plots.series import Group, panels


def row(step, split="train", **numbers):
    base = {"epoch": step // 10, "tokens": 100.0, "seconds": 2.0}
    return {"step": step, "split": split, **base, **numbers}


def line(runs, metric="loss", **axes):
    (panel,) = panels([Group("it", tuple(runs))], metric, Axes(**axes))
    return panel.lines[0]


LOSSES = st.lists(st.floats(0.1, 10), min_size=1, max_size=8)


@given(runs=st.lists(LOSSES, min_size=1, max_size=5))
def test_the_median_lies_in_its_band_and_the_band_in_the_runs(runs):
    drawn = line([[row(10 * i, loss=x) for i, x in enumerate(run)] for run in runs])
    assert len(drawn.x) == max(map(len, runs))
    for i, (low, middle, high) in enumerate(zip(drawn.low, drawn.middle, drawn.high, strict=True)):
        there = [run[i] for run in runs if i < len(run)]
        assert (low, high) == (min(there), max(there))
        assert low <= middle <= high


def test_evaluated_splits_are_lines_of_their_own():
    rows = [row(10, loss=2.0), row(10, "valid", loss=3.0)]
    (panel,) = panels([Group("it", (rows,))], "loss", Axes())
    assert {(line.split, line.middle) for line in panel.lines} == {
        ("train", (2.0,)),
        ("valid", (3.0,)),
    }


def test_a_number_that_is_none_is_a_gap_and_is_told():
    rows = [row(10, perplexity=9.0), row(20, perplexity=None), row(30, perplexity=7.0)]
    (panel,) = panels([Group("it", (rows,))], "perplexity", Axes())
    assert [math.isfinite(y) for y in panel.lines[0].middle] == [True, False, True]
    assert "it: perplexity is no number" in panel.notices[0]


def test_one_seed_that_diverged_leaves_the_line_of_the_others():
    drawn = line([[row(10, loss=1.0)], [row(10, loss=None)], [row(10, loss=3.0)]])
    assert (drawn.middle, drawn.low, drawn.high) == ((2.0,), (1.0,), (3.0,))


ROWS = [row(5, "valid"), row(10), row(15, "valid"), row(20)]


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ("step", [5, 10, 15, 20]),
        ("epoch", [0.5, 1, 1.5, 2]),
        ("tokens", [50, 100, 150, 200]),
        ("time", [2, 4, 6, 8]),
    ],
)
def test_an_evaluation_within_an_epoch_lies_between_its_ends(x, expected):
    assert positions(ROWS, x) == expected


def test_what_nobody_asked_for_is_the_perplexity_or_else_the_loss():
    rows = [row(10, loss=1.0, perplexity=2.7)]
    assert panels([Group("", (rows,))], (), Axes())[0].metric == "perplexity"
    rows = [row(10, loss=1.0, perplexity=None)]
    assert panels([Group("", (rows,))], (), Axes())[0].metric == "loss"


def test_a_smoothed_point_is_the_mean_of_the_rows_until_it():
    assert line([[row(10 * i, loss=float(i)) for i in range(4)]], smooth=2).middle == (
        0,
        0.5,
        1.5,
        2.5,
    )


@pytest.mark.parametrize(
    ("rows", "metric", "axes", "message"),
    [
        ([], "loss", Axes(), "no run has a row of metrics yet"),
        ([row(10, loss=1.0)], "los", Axes(), "no run has numbers of 'los'; did you mean 'loss'"),
        ([row(10, loss=-1.0)], "loss", Axes(log="y"), "y shows loss, which is nowhere above 0"),
        ([row(10, "valid", loss=1.0)], "loss", Axes("tokens"), "take x=step"),
    ],
)
def test_what_cannot_be_drawn_is_told(rows, metric, axes, message):
    with pytest.raises(UsageError, match=message):
        panels([Group("it", (rows,))], metric, axes)


@pytest.mark.parametrize("wrong", [{"x": "steps"}, {"log": "z"}, {"smooth": 0}, {"smooth": 1.5}])
def test_axes_that_are_none_are_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Axes(**wrong)
