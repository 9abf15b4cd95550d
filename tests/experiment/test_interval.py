"""How often: in steps, epochs or minutes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import seqlab
from seqlab.experiment.interval import Interval, interval


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (400, Interval(400, "step")),
        ("1 step", Interval(1, "step")),
        ("20 steps", Interval(20, "step")),
        ("1 epoch", Interval(1, "epoch")),
        ("2 epochs", Interval(2, "epoch")),
        ("0.5 minutes", Interval(0.5, "minute")),
        ("10 minutes", Interval(10, "minute")),
    ],
)
def test_an_interval_is_a_number_and_a_unit(written, expected):
    assert interval(written) == expected


@pytest.mark.parametrize(
    "written",
    [
        *("often", "1 hour", "0 steps", "1.5 epochs", "-1 epoch", "1e3 steps", "", "1epoch"),
        *("1 epoch ", "0 minutes"),
    ],
)
def test_what_is_no_interval_is_refused(written):
    with pytest.raises(ValueError, match="steps"):
        interval(written)


@given(st.integers(1, 9), st.integers(1, 99))
def test_steps_are_due_at_every_multiple(size, step):
    due = interval(size).due(step=step, epoch=1, ends_epoch=False, minutes=0)
    assert due == (step % size == 0)


@given(st.integers(1, 5), st.integers(1, 20), st.booleans())
def test_epochs_are_due_at_the_end_of_every_multiple_only(size, epoch, ends_epoch):
    due = interval(f"{size} epochs").due(step=7, epoch=epoch, ends_epoch=ends_epoch, minutes=9)
    assert due == (ends_epoch and epoch % size == 0)


@pytest.mark.parametrize(("minutes", "due"), [(0.4, False), (0.5, True), (7, True)])
def test_minutes_are_due_once_they_have_passed(minutes, due):
    assert interval("0.5 minutes").due(step=1, epoch=1, ends_epoch=False, minutes=minutes) == due


@pytest.mark.parametrize("key", ["evaluation.every", "train.checkpoint.every"])
@pytest.mark.parametrize("written", ["often", 0, "0 epochs"])
def test_an_experiment_with_no_interval_is_refused_by_its_key(key, written, full, registry):
    with pytest.raises(seqlab.ExperimentError, match=key):
        seqlab.run(full, overrides=[f"{key}={written}"], registry=registry)
