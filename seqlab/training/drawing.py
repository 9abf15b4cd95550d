"""The batches of a step, drawn from a sampler and prepared by the objective."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seqlab.contracts import Sampler
from seqlab.data.tokens import on_device
from seqlab.model.segments import Segments
from seqlab.model.state import as_bool
from seqlab.randomness import derive, uniforms
from seqlab.training.epochs import Epochs
from seqlab.training.gradients import DeviceBatch
from seqlab.training.objective import ModelObjective


@dataclass(frozen=True)
class Drawing:
    """A pure function of epoch and step; `seed` is that of what the objective draws."""

    sampler: Sampler
    epochs: Epochs
    objective: ModelObjective
    seed: int
    device: torch.device

    def windows(self, epoch: int, group: int) -> tuple[DeviceBatch, ...]:
        """Draw the batches of a step."""
        indices = self.epochs.indices(epoch, group)
        return tuple(self._window(epoch, index) for index in indices)

    def _window(self, epoch: int, index: int) -> DeviceBatch:
        batch = on_device(self.sampler.batch(epoch, index), self.device)
        if self.objective.prepare is not None:
            seed = derive(self.seed, "objective", self.epochs.number(epoch, index))
            places = np.indices(tuple(batch.inputs.shape))
            batch = self.objective.prepared(batch, uniforms(seed, *places))
        inputs, targets, rows, weights, starts = batch
        continues = as_bool(rows)
        if isinstance(continues, Tensor):
            continues = continues.to(self.device, non_blocking=True)
        if starts is None:
            return DeviceBatch(inputs, targets, continues, weights)
        segments = Segments.of(starts, self.device)
        return DeviceBatch(inputs, targets, continues, weights, starts.to(self.device), segments)
