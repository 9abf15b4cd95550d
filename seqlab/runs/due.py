"""What is due after a step, by its number or by the clock."""

from __future__ import annotations

import time
from typing import NamedTuple

from seqlab.experiment.interval import interval
from seqlab.registry import Resolved


class Place(NamedTuple):
    """A step in a run, counted from 1."""

    number: int
    epoch: int
    ends_epoch: bool


class Due(NamedTuple):
    """What is due after one step."""

    evaluation: bool = False
    checkpoint: bool = False
    samples: bool = False


class Intervals:
    """The intervals of an experiment, and when they began."""

    def __init__(self, resolved: Resolved) -> None:
        self._evaluation, self._samples = resolved.evaluation, resolved.samples
        self._checkpoint = resolved.train.checkpoint.every
        self._evaluated_at = self._saved_at = time.monotonic()

    def after(self, step: Place) -> Due:
        """Return what is due after a step that ends now."""
        return Due(
            self._evaluation is not None and _due(self._evaluation.every, step, self._evaluated_at),
            self._checkpoint is not None and _due(self._checkpoint, step, self._saved_at),
            self._samples is not None and step.ends_epoch and step.epoch % self._samples.every == 0,
        )

    def evaluated(self) -> None:
        self._evaluated_at = time.monotonic()

    def saved(self) -> None:
        self._saved_at = time.monotonic()


def _due(every: int | str, step: Place, since: float) -> bool:
    minutes = (time.monotonic() - since) / 60
    return interval(every).due(
        step=step.number, epoch=step.epoch, ends_epoch=step.ends_epoch, minutes=minutes
    )
