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


def slanted_triangular(
    optimizer: Optimizer,
    total_steps: int,
    epoch_of: Callable[[int], int],
    *,
    rising: Annotated[float, Field(gt=0, lt=1)] = 0.1,
    ratio: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 32.0,
    unfreeze: LargeCount | None = None,
) -> LRScheduler:
    """Rises for a short while and falls for long: Howard and Ruder, 2018, ULMFiT, arXiv:1801.06146.

    Args:
        rising: share of the steps in which the rate rises.
        ratio: what the rate is divided by at the start and at the end.
        unfreeze: after how many epochs one more part of the optimizer `groups` has a rate above 0:
            at first only what belongs to no group, then the last group too, and so on down to the
            first; null: all have one from the start.
    """
    top = max(int(total_steps * rising), 1)

    def factor(at: int) -> float:
        fall = (at - top) / max(top * (1 / rising - 1), 1)
        done = at / top if at < top else max(1 - fall, 0.0)
        return (1 + done * (ratio - 1)) / ratio

    def of(turn: int) -> Callable[[int], float]:
        return lambda at: factor(at) * (unfreeze is None or epoch_of(at) >= turn * unfreeze)

    return LambdaLR(optimizer, [of(turn) for turn in _turns(optimizer, unfreeze)])


def _turns(optimizer: Optimizer, unfreeze: int | None) -> list[int]:
    """Of each group of parameters, how many parts of the optimizer have their turn before it."""
    parts = [group.get("part", 0) for group in optimizer.param_groups]
    if unfreeze is not None and len({*parts}) == 1:
        raise ValueError("`unfreeze` needs `optimizer: {name: groups, groups: […]}`")
    return [max(parts) - part for part in parts]


@hookimpl
def seqlab_register_schedules() -> dict[str, Callable[..., LRScheduler]]:
    return {
        "step": step,
        "exponential": exponential,
        "inverse_square_root": inverse_square_root,
        "slanted_triangular": slanted_triangular,
    }
