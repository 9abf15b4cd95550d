"""How far a run is: measured by the training loop, shown by a thread."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

from seqlab.records import RunStarted, StepEnded
from seqlab.status_line import columns

LARGE = 700.0  # nats, from which on a perplexity is no float
MEASURED = 1.0  # seconds over which the loss and the speed are measured
NARROWEST, WIDEST = 6, 24  # columns of the bar
GAP = "  "


class Place(NamedTuple):
    """Where a run is; `loss` and `tokens_per_second` are None before they are measured."""

    step: int
    epoch: int
    loss: float | None = None
    tokens_per_second: float | None = None


class TrainingProgress:
    """Step, time left, loss and speed of a run.

    The loop calls `step_ended`, and another thread `text`, which reads one tuple and so never sees
    half of a step.
    """

    def __init__(self, started: RunStarted, clock: Callable[[], float] = time.monotonic) -> None:
        self._started = started
        self._clock = clock
        self._begun = self._window = clock()
        self._nats = self._tokens = 0.0
        epoch = started.step // started.steps_per_epoch + 1 if started.steps_per_epoch else 1
        self._place = Place(started.step, min(epoch, max(started.epochs, 1)))

    def step_ended(self, record: StepEnded) -> None:
        """Take the loss, in nats per token, of a step into the mean of about a second."""
        if record.tokens:  # the mean of none is not a number
            self._nats += record.loss * record.tokens
            self._tokens += record.tokens
        now = self._clock()
        place = self._place._replace(step=record.step, epoch=record.epoch)
        if self._tokens and (place.loss is None or now - self._window >= MEASURED):
            speed = self._tokens / max(now - self._window, 1e-9)
            place = place._replace(loss=self._nats / self._tokens, tokens_per_second=speed)
            self._nats, self._tokens, self._window = 0.0, 0.0, now
        self._place = place

    def ended(self) -> None:
        """Take the steps since the last measurement in, as a notebook keeps the last text."""
        if self._tokens:
            self._place = self._place._replace(loss=self._nats / self._tokens)

    def text(self, width: int | None) -> str:
        """What fits into a width, the most important first; None: a line of a log."""
        place = self._place
        parts = self._parts(place)
        if width is None:
            return ", ".join(parts)
        while len(parts) > 1 and columns(GAP.join(parts)) > width:
            parts.pop()
        left = min(width - columns(GAP.join(parts)) - len(GAP), WIDEST)
        if left < NARROWEST:
            return GAP.join(parts)
        return GAP.join([parts[0], _bar(place.step, self._started.total_steps, left), *parts[1:]])

    def _parts(self, place: Place) -> list[str]:
        """All there is to say, the least important last."""
        started = self._started
        parts = [f"epoch {place.epoch}/{started.epochs}"]
        if started.length_in_steps:
            parts = [f"step {place.step}/{started.total_steps}"]
        if (left := self._seconds_left(place)) is not None:
            parts.append(f"{_duration(left)} left")
        if place.loss is not None:
            parts.append(f"loss {place.loss:.3f}")
            if started.has_perplexity:
                parts.append(f"perplexity {_perplexity(place.loss)}")
        if place.tokens_per_second is not None:
            parts.append(f"{_short(place.tokens_per_second)} tokens/s")
        return parts

    def _seconds_left(self, place: Place) -> float | None:
        """At the speed since this process began to train; None: it is not known yet."""
        done = place.step - self._started.step
        if not done:
            return None
        elapsed = self._clock() - self._begun
        return elapsed / done * (self._started.total_steps - place.step)


def _bar(done: int, total: int, width: int) -> str:
    inside = width - 2
    filled = min(round(inside * done / total), inside) if total else inside
    return f"[{'=' * filled}{' ' * (inside - filled)}]"


def _duration(seconds: float) -> str:
    """Hours, minutes and seconds; from two days on, days and hours."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _perplexity(loss: float) -> str:
    if not loss < LARGE:
        return "too large"
    value = math.exp(loss)
    if value < 1000:
        return f"{value:.3f}"
    return f"{value:.0f}" if value < 1e6 else f"{value:.1e}"


def _short(number: float) -> str:
    """A number with three digits at least: 876, 12.3k, 4.56M."""
    if number < 1000:
        return f"{number:.0f}"
    unit, size = ("k", 1e3) if number < 999_500 else ("M", 1e6)
    digits = 2 if number < 9.995 * size else 1 if number < 99.95 * size else 0
    return f"{number / size:.{digits}f}{unit}"
