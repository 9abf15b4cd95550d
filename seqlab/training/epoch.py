"""The running mean over the targets trained in one epoch."""

from __future__ import annotations

import math
import time
from typing import Any

import torch

from seqlab.records import EpochEnded
from seqlab.training.loop import Step
from seqlab.training.measures import Sums


def _finite(norm: torch.Tensor) -> float | None:
    value = float(norm)
    return value if math.isfinite(value) else None


class RunningEpoch:
    """Sums that the epoch's row of metrics is made of, and the time that it has taken."""

    def __init__(self, sums: Sums | None = None, seconds: float = 0.0) -> None:
        self.sums = sums or Sums.zero()
        self._begun = time.perf_counter() - seconds

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._begun

    def add(self, step: Step) -> None:
        """Take a step in; one that was not finite counts nothing."""
        values = step.sums.values
        self.sums += Sums(torch.where(step.finite, values, torch.zeros_like(values)))

    def record(self, last: Step) -> EpochEnded:
        """Return the row, with the learning rate and gradient norm of the epoch's last step."""
        return EpochEnded(
            step=last.number,
            epoch=last.epoch,
            split="train",
            lr=last.lr,
            gradient_norm=_finite(last.gradient_norm),
            **self.sums.measures(seconds=self.seconds, accuracy=False),
        )

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self.sums.values.tolist(), "seconds": self.seconds}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> RunningEpoch:
        return cls(Sums(torch.tensor(state["sums"], dtype=torch.float64)), state["seconds"])
