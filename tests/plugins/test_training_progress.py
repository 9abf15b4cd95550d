"""The line that says how far a run is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqlab_plugins.observers.training_progress import TrainingProgress

from seqlab.records import RunStarted, StepEnded
from seqlab.status_line import columns

RUN = RunStarted("name", "here", 0, 400 * 8, 8, 400, 1, 0)


class Clock:
    """A clock that a test sets, in seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def progress(started=RUN, steps=(), seconds=1.0):
    """The progress after steps, each of so many seconds and 1,000 tokens, with losses."""
    clock = Clock()
    shown = TrainingProgress(started, clock)
    for step, loss in steps:
        clock.now += seconds
        epoch = (step - 1) // 8 + 1
        shown.step_ended(StepEnded(step, epoch, loss, 1.0, 0.1, 1000, clock.now))
    return shown


def test_it_says_epoch_time_left_loss_perplexity_and_speed_in_80_columns():
    shown = progress(steps=[(step, 1.5) for step in range(1, 441)]).text(79)
    assert columns(shown) <= 79
    assert shown.startswith("epoch 55/400  [")
    assert shown.endswith("]  46:00 left  loss 1.500  perplexity 4.482  1.00k tokens/s")


def test_a_run_that_is_so_many_steps_long_counts_steps():
    started = replace(RUN, length_in_steps=True, total_steps=2000)
    assert progress(started, [(500, 1.0)]).text(None).startswith("step 500/2000, 0:03 left, ")


def test_where_the_loss_is_of_no_next_token_there_is_no_perplexity():
    assert "perplexity" not in progress(replace(RUN, has_perplexity=False), [(1, 1.0)]).text(None)


def test_before_the_first_step_it_says_where_the_run_is():
    assert progress().text(None) == "epoch 1/400"
    assert progress(replace(RUN, step=80)).text(None) == "epoch 11/400"


def test_the_time_left_of_a_resumed_run_is_measured_since_it_was_resumed():
    resumed = progress(replace(RUN, step=3000), [(3001, 1.0), (3002, 1.0)], seconds=0.5)
    assert "1:39 left" in resumed.text(None)  # 198 steps of half a second


def test_the_least_important_goes_first_as_the_terminal_gets_narrower():
    shown = progress(steps=[(1, 1.5), (2, 1.5)])
    kept = [shown.text(width).split("  ") for width in (79, 60, 45, 30, 15)]
    assert [line[-1].split()[-1] for line in kept] == [
        *("tokens/s", "4.482", "1.500", "left", "1/400"),
    ]
    assert all(line[0] == "epoch 1/400" for line in kept)


@given(
    st.integers(0, 3200),
    st.floats(0, 1e9),
    st.floats(1e-9, 1e9),
    st.integers(1, 200),
    st.booleans(),
)
def test_it_fits_any_width_that_holds_the_epoch(step, loss, seconds, width, in_steps):
    shown = progress(replace(RUN, length_in_steps=in_steps), [(step, loss)], seconds).text(width)
    assert columns(shown) <= max(width, len("step 3200/3200"))
    assert "\n" not in shown


@pytest.mark.parametrize(
    ("seconds", "left"), [(0.01, "0:32"), (3.0, "2:39:57"), (100.0, "3 d 16 h"), (1e-6, "0:00")]
)
def test_the_time_left_is_in_the_units_that_people_count_in(seconds, left):
    assert f", {left} left, " in progress(steps=[(1, 1.0)], seconds=seconds).text(None)


@pytest.mark.parametrize(
    ("seconds", "speed"), [(2.0, "500"), (0.5, "2.00k"), (0.02, "50.0k"), (1e-4, "10.0M")]
)
def test_the_speed_has_three_digits(seconds, speed):
    assert progress(steps=[(1, 1.0)], seconds=seconds).text(None).endswith(f" {speed} tokens/s")


@pytest.mark.parametrize(("loss", "said"), [(8.0, "2981"), (20.0, "4.9e+08"), (9e9, "too large")])
def test_a_large_perplexity_takes_little_room(loss, said):
    assert f"perplexity {said}, " in progress(steps=[(1, loss)]).text(None)


def test_the_loss_is_the_mean_over_about_a_second_by_tokens():
    steps = [(1, 9.0), *((step, 1.0 + step % 2) for step in range(2, 22))]
    assert "loss 1.500" in progress(steps=steps, seconds=0.125).text(None)
