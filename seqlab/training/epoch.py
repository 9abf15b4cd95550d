"""The running mean over the targets trained in one epoch."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import torch
from torch import Tensor

from seqlab.records import EpochEnded
from seqlab.training.loop import Step
from seqlab.training.loss import perplexity


def _zero() -> Tensor:
    return torch.zeros((), dtype=torch.float64)


@dataclass
class RunningEpoch:
    """Sums that a row of metrics is made of; on the model's device until they are read."""

    nats: Tensor = field(default_factory=_zero)
    weight: Tensor = field(default_factory=_zero)
    characters: Tensor = field(default_factory=_zero)
    begun: float = field(default_factory=time.perf_counter)

    def add(self, step: Step) -> None:
        self.nats = self.nats.to(step.nats.device) + step.nats
        self.weight = self.weight.to(step.weight.device) + step.weight
        self.characters = self.characters.to(step.characters.device) + step.characters

    def record(self, last: Step) -> EpochEnded:
        """Return the row, with the learning rate and gradient norm of the epoch's last step."""
        seconds = time.perf_counter() - self.begun
        tokens = float(self.weight)
        loss = float(self.nats) / max(tokens, 1e-12)
        characters = float(self.characters)
        return EpochEnded(
            step=last.number,
            epoch=last.epoch,
            split="train",
            loss=loss,
            perplexity=perplexity(loss),
            bits_per_character=(
                float(self.nats) / math.log(2) / characters if characters else None
            ),
            accuracy=None,
            tokens=tokens,
            lr=last.lr,
            gradient_norm=last.gradient_norm,
            seconds=seconds,
            tokens_per_second=tokens / seconds,
        )
