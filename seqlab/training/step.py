"""What one optimizer step has to report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from seqlab.training.device import Sent
from seqlab.training.metrics import Sums


@dataclass(frozen=True)
class Step:
    """One optimizer step.

    `number` counts all steps from 1, `place` those of its epoch, `epoch` from 1. `report` is that
    of `Found`; to read it is to wait until the device has come to the end of this step's gradients.
    """

    number: int
    place: int
    epoch: int
    ends_epoch: bool
    lr: float
    report: Sent

    @property
    def sums(self) -> Sums:
        return Sums(self.report.read()[:-2])

    @property
    def gradient_norm(self) -> float:
        """The norm of the gradients before clipping."""
        return float(self.report.read()[-2])

    @property
    def finite(self) -> bool:
        """Whether loss and gradients were numbers; if not, the weights are as they were."""
        return bool(self.report.read()[-1])

    @property
    def loss(self) -> float:
        """Mean nats of the targets of this step; NaN where nothing counted."""
        nats, weight, *_ = self.report.read().tolist()
        return nats / weight if weight else math.nan

    def state_dict(self) -> dict[str, Any]:
        plain = {key: value for key, value in vars(self).items() if key != "report"}
        report = self.report.read()
        return plain | {"sums": report[:-2], "gradient_norm": report[-2], "finite": report[-1] > 0}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Step:
        plain = {key: state[key] for key in ("number", "place", "epoch", "ends_epoch", "lr")}
        parts = [Sums.saved(state["sums"]).values, state["gradient_norm"], state["finite"]]
        return cls(**plain, report=Sent(torch.cat([part.double().view(-1) for part in parts])))
