"""What a schedule is given."""

from __future__ import annotations

from inspect import signature

from torch.optim.lr_scheduler import LRScheduler


def wants_metric(schedule: LRScheduler) -> bool:
    """Whether `step` takes the loss of an evaluation, as ReduceLROnPlateau's does."""
    return "metrics" in signature(schedule.step).parameters
