"""Batches of one step -> clipped gradients, of which each process has its share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from seqlab.distributed.wishes import Wishes
from seqlab.distributed.world import World
from seqlab.errors import Override, RunFailed
from seqlab.training.gradients import DeviceBatch, Gradients, StepResult
from seqlab.training.profiling import Phase
from seqlab.training.sharded_gradients import ShardedGradients

UNSHARDED = Override("train.sharding=null")
NOT_FREED = (
    "train.sharding: a part of the model keeps the memory of its weights, as `weight.numpy()` does,"
    f" so it cannot be freed after each layer; it runs with {UNSHARDED}"
)


class GradientsInPlace:
    """Gradients that torch adds and shares out in each backward pass: nothing is left to add.

    Args:
        parameters: P of them.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._nowhere = torch.zeros(len(parameters), dtype=torch.float64)

    def clear(self) -> None:
        pass

    def take(self) -> tuple[tuple[Tensor, ...], Tensor]:
        return (), self._nowhere

    def zeros(self) -> tuple[Tensor, ...]:
        return ()

    def put(self, flat: Sequence[Tensor], has: Tensor) -> None:
        pass


class FsdpGradients(ShardedGradients):
    """A step shard by shard, of a model whose parameters are gathered while it computes.

    So all processes compute equally many windows. Random numbers and sums are those of any run
    with these shards; gradients are added in torch's order, which depends on the number of
    processes.
    """

    def __init__(
        self,
        whole: Gradients,
        shards: int,
        seed: int,
        world: World,
        wishes: Callable[[], Wishes],
    ) -> None:
        super().__init__(whole, whole, shards, seed, world, wishes)
        self._held = GradientsInPlace(whole.parameters)

    def compute(
        self,
        phase: Phase,
        batches: tuple[DeviceBatch, ...],
        carried: Any,
        measured: bool = False,
    ) -> StepResult:
        try:
            with self._world.answering():
                return super().compute(phase, batches, carried, measured)
        except RuntimeError as error:
            if "resiz" not in str(error):
                raise
            raise RunFailed(NOT_FREED, resume_with=[UNSHARDED]) from error

    def _without_rows(self, phase: Phase, batch: DeviceBatch, total: Tensor | float) -> None:
        """Compute a row that weighs nothing, since the other processes wait for this one."""
        inputs, targets = batch.inputs[:1], batch.targets[:1]
        weights = torch.zeros_like(targets, dtype=torch.float32)
        row = DeviceBatch(inputs, targets, continues=False, weights=weights)
        self._of_window(phase, (row,), None, False, total)
