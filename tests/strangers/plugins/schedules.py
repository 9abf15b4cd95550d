"""Schedules around any other schedule."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Annotated

from pydantic import Field
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau, SequentialLR

import seqlab

COSINE = seqlab.component("cosine")


def warmed_up(
    optimizer: Optimizer,
    total_steps: int,
    *,
    inner: seqlab.ScheduleFactory = COSINE,
    steps: Annotated[int, Field(gt=0, le=2**40)] = 5,
) -> LRScheduler:
    """Another schedule, after a linear warmup.

    Args:
        inner: the schedule of the steps after the warmup.
        steps: of the warmup; a run that is shorter has nothing else.
    """
    warm = LambdaLR(optimizer, lambda step: min((step + 1) / (steps + 1), 1.0))
    rest = _plain(inner(optimizer, max(total_steps - steps, 1)))
    return SequentialLR(optimizer, [warm, rest], [steps])


def restarted(
    optimizer: Optimizer,
    total_steps: int,
    *,
    inner: seqlab.ScheduleFactory = COSINE,
    times: Annotated[int, Field(gt=0, le=1000)] = 3,
) -> LRScheduler:
    """Another schedule several times over: Loshchilov and Hutter, 2017, arXiv:1608.03983.

    Args:
        inner: the schedule, which is given as many steps as a part of the run has.
        times: how many parts there are.
    """
    parts = min(times, max(total_steps, 1))
    lengths = [total_steps * (n + 1) // parts - total_steps * n // parts for n in range(parts)]
    schedules = [_plain(inner(optimizer, length)) for length in lengths]
    return SequentialLR(optimizer, schedules, list(accumulate(lengths))[:-1])


def _plain(schedule: LRScheduler) -> LRScheduler:
    if isinstance(schedule, ReduceLROnPlateau):
        raise ValueError("inner: it depends on evaluations, and cannot be a part")
    return schedule


@seqlab.hookimpl
def seqlab_register_schedules() -> dict[str, Callable[..., LRScheduler]]:
    return {"warmed_up": warmed_up, "restarted": restarted}
