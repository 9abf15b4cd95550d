"""Schedules of the learning rate, based on torch's schedulers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, Any

from pydantic import Field
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau, SequentialLR

from seqlab import ScheduleFactory, hookimpl

Steps = Annotated[int, Field(ge=0, le=2**40)]
Fraction = Annotated[float, Field(ge=0, le=1)]


def constant(optimizer: Optimizer, total_steps: int, *, warmup: Steps = 0) -> LRScheduler:
    """The same learning rate throughout.

    Args:
        warmup: optimizer steps in which the rate rises linearly to its full value.
    """
    return LambdaLR(optimizer, _after_warmup(warmup, total_steps, lambda done: 1.0))


def linear(
    optimizer: Optimizer, total_steps: int, *, warmup: Steps = 0, final: Fraction = 0.0
) -> LRScheduler:
    """Falls linearly to a share of the learning rate.

    Args:
        warmup: optimizer steps in which the rate rises linearly to its full value.
        final: share of the rate at the end.
    """
    return LambdaLR(
        optimizer, _after_warmup(warmup, total_steps, lambda done: 1 - (1 - final) * done)
    )


def cosine(
    optimizer: Optimizer, total_steps: int, *, warmup: Steps = 0, final: Fraction = 0.0
) -> LRScheduler:
    """Falls along half a cosine: Loshchilov and Hutter, 2017, https://arxiv.org/abs/1608.03983.

    Args:
        warmup: optimizer steps in which the rate rises linearly to its full value.
        final: share of the rate at the end.
    """
    return LambdaLR(
        optimizer, _after_warmup(warmup, total_steps, lambda done: _half_cosine(1.0, final, done))
    )


def one_cycle(
    optimizer: Optimizer,
    total_steps: int,
    *,
    rising: Fraction = 0.3,
    start_divisor: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 25.0,
    final_divisor: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 1e4,
) -> LRScheduler:
    """Up to the learning rate and down to nothing: Smith and Topin, 2018, arXiv:1708.07120.

    Args:
        rising: share of the steps in which the rate rises.
        start_divisor: what the rate is divided by at the start.
        final_divisor: what the starting rate is divided by at the end.
    """
    top, last = rising * total_steps - 1, total_steps - 1

    def factor(step: int) -> float:
        if step <= top and top > 0:
            return _half_cosine(1 / start_divisor, 1.0, step / top)
        falling = (step - top) / (last - top) if last > top else 1.0
        return _half_cosine(1.0, 1 / (start_divisor * final_divisor), min(falling, 1.0))

    return LambdaLR(optimizer, factor)


def warmup_stable_decay(
    optimizer: Optimizer,
    total_steps: int,
    *,
    rising: Fraction = 0.01,
    falling: Fraction = 0.1,
    final: Annotated[float, Field(gt=0, le=1)] = 0.1,
) -> LRScheduler:
    """Linear rise, constant rate, exponential decay: Hu et al., 2024, MiniCPM, arXiv:2404.06395.

    Args:
        rising: share of the steps in which the rate rises, at the start.
        falling: share of the steps in which it decays, at the end.
        final: share of the rate at the last step.
    """
    if rising + falling > 1:
        raise ValueError("rising and falling should be at most 1 together")
    up, down = round(rising * total_steps), round(falling * total_steps)

    def factor(step: int) -> float:
        fallen = min(max(step + 1 - (total_steps - down), 0) / max(down, 1), 1.0)
        return min((step + 1) / (up + 1), final**fallen if down else 1.0)

    return LambdaLR(optimizer, factor)


def plateau(
    optimizer: Optimizer,
    total_steps: int,  # noqa: ARG001 # this schedule depends on evaluations only
    *,
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1,
    patience: Annotated[int, Field(ge=0, le=2**40)] = 5,
    threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-4,
    lowest: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0,
) -> LRScheduler:
    """Falls when the loss of evaluations stops falling; needs a section `evaluation`.

    With `factor: 0.25`, `patience: 0` and `threshold: 0` it divides by 4 after each evaluation that
    is not better than the best one, as PyTorch's `word_language_model` does.

    Args:
        factor: what the rate is multiplied by.
        patience: evaluations without a better loss before the rate falls.
        threshold: share of the loss by which it must fall to count as better.
        lowest: the rate never falls below this; 0: no limit.
    """
    highest = max(group["lr"] for group in optimizer.param_groups)
    if lowest and lowest >= highest:
        raise ValueError(f"`lowest` ({lowest:g}) should be below lr ({highest:g})")
    return ReduceLROnPlateau(
        optimizer,
        factor=factor,
        patience=patience,
        threshold=threshold,
        min_lr=lowest,
        eps=0.0,  # by default torch keeps a rate that would fall by less than 1e-8
    )


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A schedule for some of the steps.

    Args:
        schedule: what it is.
        steps: how many optimizer steps it lasts; null: with the other such phases an equal part of
            what is left.
    """

    schedule: ScheduleFactory
    steps: Annotated[int, Field(gt=0, le=2**40)] | None = None


def chain(
    optimizer: Optimizer,
    total_steps: int,
    epoch_of: Callable[[int], int] | None = None,
    *,
    phases: Annotated[list[Phase], Field(min_length=1)],
) -> LRScheduler:
    """Schedules one after another, each over its own steps.

    Args:
        phases: Required. The schedules, in order.
    """
    given = sum(phase.steps or 0 for phase in phases)
    free = [phase for phase in phases if phase.steps is None]
    left = total_steps - given
    if left < len(free) or (not free and left):
        raise ValueError(
            f"the phases have {given:,} of {total_steps:,} steps"
            + (f", and {len(free)} more share the rest" if free else "; leave one without `steps`")
        )
    shares = iter(range(len(free)))
    lengths = [phase.steps or _equal_part(left, len(free), next(shares)) for phase in phases]
    begins = list(accumulate(lengths, initial=0))
    schedules = [
        phase.schedule(optimizer, steps, **_later(epoch_of, begin))
        for phase, steps, begin in zip(phases, lengths, begins, strict=False)
    ]
    if any(isinstance(schedule, ReduceLROnPlateau) for schedule in schedules):
        raise ValueError("plateau depends on evaluations, and cannot be a phase")
    return SequentialLR(optimizer, schedules, begins[1:-1])


def _later(epoch_of: Callable[[int], int] | None, begin: int) -> dict[str, Any]:
    """What a phase is offered: `epoch_of`, which counts from its first step."""
    if epoch_of is None:
        return {}
    return {"epoch_of": lambda step: epoch_of(begin + step) - epoch_of(begin)}


def _equal_part(total: int, parts: int, index: int) -> int:
    return total * (index + 1) // parts - total * index // parts


def _half_cosine(begin: float, end: float, done: float) -> float:
    """A value on half a cosine from `begin` to `end`, after a share `done` (0 to 1) of it."""
    return end + (begin - end) * (1 + math.cos(math.pi * done)) / 2


def _after_warmup(
    warmup: int, total_steps: int, curve: Callable[[float], float]
) -> Callable[[int], float]:
    """Rise to 1 in `warmup` steps, then follow `curve` over the share that is done (0 to 1)."""
    if warmup > total_steps > 0:
        raise ValueError(
            f"warmup is {warmup:,} steps, but the run has {total_steps:,}: the rate would never"
            " reach its full value"
        )

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return curve(min((step - warmup) / max(total_steps - warmup, 1), 1.0))

    return factor


@hookimpl
def seqlab_register_schedules() -> dict[str, Callable[..., LRScheduler]]:
    return {
        "constant": constant,
        "linear": linear,
        "cosine": cosine,
        "one_cycle": one_cycle,
        "warmup_stable_decay": warmup_stable_decay,
        "plateau": plateau,
        "chain": chain,
    }
