"""The running mean over the targets of one epoch."""

from __future__ import annotations

import math
import time
from typing import Any

from seqlab.records import EpochEnded
from seqlab.training.metrics import Sums
from seqlab.training.step import Step


class RunningEpoch:
    """The sums and the wall time of an epoch so far."""

    def __init__(self, sums: Sums | None = None, seconds: float = 0.0) -> None:
        self._sums = sums or Sums.zero()
        self._latest: Step | None = None
        self._begun = time.perf_counter() - seconds

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._begun

    def add(self, step: Step) -> None:
        """Add a step, unless it was not finite."""
        self._add_latest()  # one step late, so that a GPU need not be waited for
        self._latest = step

    def _add_latest(self) -> Sums:
        step, self._latest = self._latest, None
        if step is not None and step.finite:
            self._sums += step.sums
        return self._sums

    def record(self, last: Step) -> EpochEnded:
        """Return the row of metrics; learning rate and gradient norm are of the last step."""
        return EpochEnded(
            step=last.number,
            epoch=last.epoch,
            split="train",
            lr=last.lr,
            gradient_norm=last.gradient_norm if math.isfinite(last.gradient_norm) else None,
            **self._add_latest().metrics(seconds=self.seconds, accuracy=False),
        )

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self._add_latest().values.tolist(), "seconds": self.seconds}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> RunningEpoch:
        return cls(Sums.saved(state["sums"]), state["seconds"])
