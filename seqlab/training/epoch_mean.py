"""The running mean over the targets trained in one epoch."""

from __future__ import annotations

import math
import time
from typing import Any

from seqlab.records import EpochEnded
from seqlab.training.metrics import Sums
from seqlab.training.step import Step


class RunningEpoch:
    """Sums that the epoch's row of metrics is made of, and the time that it has taken."""

    def __init__(self, sums: Sums | None = None, seconds: float = 0.0) -> None:
        self._sums = sums or Sums.zero()
        self._latest: Step | None = None
        self._begun = time.perf_counter() - seconds

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._begun

    def add(self, step: Step) -> None:
        """Take a step in; one that was not finite counts nothing."""
        self._read_latest()  # which a GPU has done by now
        self._latest = step

    def _read_latest(self) -> Sums:
        step, self._latest = self._latest, None
        if step is not None and step.finite:
            self._sums += step.sums
        return self._sums

    def record(self, last: Step) -> EpochEnded:
        """Return the row, with the learning rate and gradient norm of the epoch's last step."""
        return EpochEnded(
            step=last.number,
            epoch=last.epoch,
            split="train",
            lr=last.lr,
            gradient_norm=last.gradient_norm if math.isfinite(last.gradient_norm) else None,
            **self._read_latest().measures(seconds=self.seconds, accuracy=False),
        )

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self._read_latest().values.tolist(), "seconds": self.seconds}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> RunningEpoch:
        return cls(Sums.saved(state["sums"]), state["seconds"])
