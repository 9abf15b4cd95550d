"""Schedules that fall by a rule of steps or epochs, whatever the length of the run is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from seqlab import hookimpl
from seqlab.options import LargeCount

Steps = Annotated[int, Field(ge=0, le=2**40)]
Factor = Annotated[float, Field(gt=0, le=1)]


def step(
    optimizer: Optimizer,
    total_steps: int,  # noqa: ARG001 # it falls whatever the length is
    epoch_of: Callable[[int], int],
    *,
    every: LargeCount = 1,
    unit: Literal["epochs", "steps"] = "epochs",
    factor: Factor = 0.5,
    first: LargeCount | None = None,
) -> LRScheduler:
    """Falls by a factor every so many epochs or steps.

    Args:
        every: after how many of them it falls again.
        unit: what is counted.
        factor: what the rate is multiplied by.
        first: after how many of them it falls for the first time; null: `every`.
    """
    begin = every if first is None else first

    def falls(at: int) -> float:
        done = at if unit == "steps" else epoch_of(at)
        return float(factor ** max((done - begin) // every + 1, 0))

    return LambdaLR(optimizer, falls)


def exponential(
    optimizer: Optimizer,
    total_steps: int,  # noqa: ARG001 # it falls whatever the length is
    epoch_of: Callable[[int], int],
    *,
    factor: Factor = 0.95,
    unit: Literal["epochs", "steps"] = "epochs",
) -> LRScheduler:
    """Falls by a factor in every epoch, or in every step.

    Args:
        factor: what the rate is multiplied by.
        unit: what is counted.
    """
    passed = epoch_of if unit == "epochs" else int
    return LambdaLR(optimizer, lambda at: float(factor ** passed(at)))


def inverse_square_root(
    optimizer: Optimizer,
    total_steps: int,  # noqa: ARG001 # it falls whatever the length is
    *,
    warmup: Steps = 4000,
) -> LRScheduler:
    """Rises linearly, then falls with the root of the step: Vaswani et al., 2017, arXiv:1706.03762.

    Args:
        warmup: optimizer steps in which the rate rises to its full value.
    """

    def factor(at: int) -> float:
        return min((at + 1) / (warmup + 1), math.sqrt((warmup + 1) / (at + 1)))

    return LambdaLR(optimizer, factor)


@hookimpl
def seqlab_register_schedules() -> dict[str, Callable[..., LRScheduler]]:
    return {"step": step, "exponential": exponential, "inverse_square_root": inverse_square_root}
