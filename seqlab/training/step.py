"""The reports of optimizer steps, and their mean over an epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from seqlab.records import EpochEnded
from seqlab.training.device import HostCopy
from seqlab.training.metrics import Sums
from seqlab.training.norms import NormsOfStep
from seqlab.training.objective import Columns


@dataclass(frozen=True)
class Step:
    """One optimizer step; all numbers count from 1.

    `report` is that of `StepResult`; to read it is to wait for the gradients of this step. It is
    of the first evaluation, or of a later `evaluation` that was not finite.
    """

    number: int
    number_in_epoch: int
    epoch: int
    ends_epoch: bool
    lr: float
    report: HostCopy
    evaluation: int = 1
    norms: NormsOfStep | None = None

    @property
    def sums(self) -> Sums:
        return Sums(self.report.read()[:-2])

    @property
    def gradient_norm(self) -> float:
        """The gradient norm before clipping."""
        return float(self.report.read()[-2])

    @property
    def finite(self) -> bool:
        """Whether loss and gradient norm are finite; if not, the step was not taken."""
        return bool(self.report.read()[-1])

    @property
    def problem(self) -> str:
        """What is said of it where it is not finite."""
        again = f" in its evaluation {self.evaluation}" if self.evaluation > 1 else ""
        return (
            f"step {self.number} (number {self.number_in_epoch} of epoch {self.epoch}) is not"
            f" finite{again}: its loss is {self.loss:g}, the gradient norm"
            f" {self.gradient_norm:g}, the learning rate {self.lr:g}"
        )

    @property
    def loss(self) -> float:
        """Mean nats per target; NaN where all weights are 0."""
        nats, weight, *_ = self.report.read().tolist()
        return nats / weight if weight else math.nan

    def state_dict(self) -> dict[str, Any]:
        report = self.report.read()
        return {
            "number": self.number,
            "place": self.number_in_epoch,
            "epoch": self.epoch,
            "ends_epoch": self.ends_epoch,
            "lr": self.lr,
            "sums": report[:-2],
            "gradient_norm": report[-2],
            "finite": report[-1] > 0,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Step:
        parts = [Sums.saved(state["sums"]).values, state["gradient_norm"], state["finite"]]
        report = HostCopy(torch.cat([part.double().view(-1) for part in parts]))
        number, in_epoch, epoch = state["number"], state["place"], state["epoch"]
        return cls(number, in_epoch, epoch, state["ends_epoch"], state["lr"], report)


class RunningEpoch:
    """The sums and the wall time of an epoch so far."""

    def __init__(self, columns: Columns, sums: Sums | None = None, seconds: float = 0.0) -> None:
        self._columns, self._sums = columns, sums or Sums.zero(len(columns.parts))
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
            **self._add_latest().metrics(self._columns, seconds=self.seconds, accuracy=False),
        )

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self._add_latest().values.tolist(), "seconds": self.seconds}

    @classmethod
    def from_state(cls, state: dict[str, Any], columns: Columns) -> RunningEpoch:
        return cls(columns, Sums.saved(state["sums"]), state["seconds"])
