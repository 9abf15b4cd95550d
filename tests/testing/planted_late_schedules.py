"""Schedules with one mistake each that shows only in long runs or with more groups."""

from __future__ import annotations

import math

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler


def table_of_a_thousand(optimizer, total_steps):
    """Looks the rate up in a table that ends."""
    table = [1 / (n + 1) for n in range(1002)]
    return LambdaLR(optimizer, lambda step: table[step])


class ScalesTwoGroups(LRScheduler):
    """Scales the groups of matrices and vectors, and no third one."""

    def get_lr(self):
        share = 1 / (self.last_epoch + 1)
        held = zip(self.base_lrs, range(len(self.base_lrs)), strict=True)
        return [lr * share if place < 2 else lr for lr, place in held]

    def __init__(self, optimizer, total_steps) -> None:
        super().__init__(optimizer)


class CountsCyclesToItself(LRScheduler):
    """Each cycle of 100 steps is half as high; their number is in no checkpoint."""

    def __init__(self, optimizer, total_steps) -> None:
        self.cycles = iter(range(1, 10**6))
        self.height = 1.0
        super().__init__(optimizer)

    def get_lr(self):
        if self.last_epoch and self.last_epoch % 100 == 0:
            self.height = 0.5 ** next(self.cycles)
        return [lr * self.height for lr in self.base_lrs]

    def state_dict(self):
        return {"last_epoch": self.last_epoch, "_last_lr": self._last_lr}


class ChanceAtRestarts(LRScheduler):
    """A restart after 100 steps is as high as a die says."""

    def __init__(self, optimizer, total_steps) -> None:
        self.height = 1.0
        super().__init__(optimizer)

    def get_lr(self):
        if self.last_epoch and self.last_epoch % 100 == 0:
            self.height = 0.5 + 0.5 * torch.rand(()).item()
        return [lr * self.height for lr in self.base_lrs]


def exponent_overflows(optimizer, total_steps):
    """A logistic curve whose exponential is too large after 1500 steps."""
    return LambdaLR(optimizer, lambda step: 1 / (1 + math.exp((step - 500) * 0.7)))
