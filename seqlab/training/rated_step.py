"""Steps of an optimizer whose rates are multiplied by what a sampler says of the step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.optim import Optimizer

from seqlab.contracts import Sampler, offered
from seqlab.errors import PluginError
from seqlab.training.eager_optimizers import eager_step
from seqlab.training.epochs import Epochs


def rated_step(
    optimizer: Optimizer, sampler: Sampler, epochs: Epochs, done: Callable[[], int]
) -> Callable[..., Any]:
    """Return the step of an optimizer; `done` says how many were taken before it.

    Where the sampler has `rate`, the mean of its batches' rates multiplies those of the optimizer
    in the step.
    """
    step, rate = eager_step(optimizer), offered(sampler, "rate")
    if rate is None:
        return step

    def rated(*closure: Any) -> Any:
        epoch, group = epochs.place(done())
        rates = [rate(epoch, index) for index in epochs.indices(epoch, group)]
        factor = sum(rates) / len(rates)
        if not 0 <= factor < math.inf:
            name = type(sampler).__name__
            raise PluginError(f"sampler {name}: `rate` should be a number of 0 or more: {rates}")
        with _multiplied(optimizer, factor):
            return step(*closure)

    return rated


@contextmanager
def _multiplied(optimizer: Optimizer, factor: float) -> Iterator[None]:
    rates = [group["lr"] for group in optimizer.param_groups]
    for group, lr in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = lr * factor
    try:
        yield
    finally:
        for group, lr in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
