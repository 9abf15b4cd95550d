"""The report of one optimizer step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from seqlab.training.device import HostCopy
from seqlab.training.metrics import Sums


@dataclass(frozen=True)
class Step:
    """One optimizer step; all numbers count from 1.

    `report` is that of `StepResult`; to read it is to wait for the gradients of this step.
    """

    number: int
    number_in_epoch: int
    epoch: int
    ends_epoch: bool
    lr: float
    report: HostCopy

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
