"""The promises of a schedule: every planted mistake is caught, and what is right passes."""

from __future__ import annotations

import warnings
from collections import deque
from itertools import count

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, MultiplicativeLR, ReduceLROnPlateau

from seqlab.testing import Broken, NotApplicable, Subject, look_at, schedules, verify
from seqlab.testing.collection import checks_in


def inverse_root(optimizer, total_steps):
    """Falls with the root of the number of steps; a lambda over torch's, as most are written."""
    return LambdaLR(optimizer, lambda step: (step + 1) ** -0.5)


class Counting(LRScheduler):
    """Falls evenly; a class of one's own, with a state."""

    def __init__(self, optimizer, total_steps):
        self.total_steps = total_steps
        super().__init__(optimizer)

    def share(self):
        return 1 - min(self.last_epoch / max(self.total_steps, 1), 1)

    def get_lr(self):
        return [lr * self.share() for lr in self.base_lrs]


def plateau(optimizer, total_steps):
    """Waits for a loss that is better."""
    return ReduceLROnPlateau(optimizer, patience=2)


class NotTorchs:
    """Sets the rate by itself, as the loops of papers do."""

    def __init__(self, optimizer, total_steps):
        self.optimizer, self.done = optimizer, 0

    def step(self):
        self.done += 1
        for group in self.optimizer.param_groups:
            group["lr"] *= 0.99


def over_another_optimizer(optimizer, total_steps):
    return LambdaLR(torch.optim.SGD(optimizer.param_groups[0]["params"], lr=1), lambda step: 1.0)


def divides_by_the_last_step(optimizer, total_steps):
    return LambdaLR(optimizer, lambda step: 1 - step / (total_steps - 1))


def falls_below_nothing(optimizer, total_steps):
    return LambdaLR(optimizer, lambda step: 1 - step / max(total_steps - 1, 1))


def has_no_rate_after_the_last_step(optimizer, total_steps):
    factors = np.linspace(1, 0, total_steps)
    return LambdaLR(optimizer, lambda step: float(factors[step]))


def warms_up_over_a_tenth(optimizer, total_steps):
    """A tenth of a short run is nothing, and 0 / 0 is not a number."""
    warmup = np.float64(total_steps // 10)
    with np.errstate(all="ignore"):
        return LambdaLR(optimizer, lambda step: float(min(np.divide(step, warmup), 1)))


def takes_no_short_run(optimizer, total_steps):
    return lr_scheduler.OneCycleLR(optimizer, max_lr=[0.5, 0.05], total_steps=total_steps)


def grows_beyond_all_bounds(optimizer, total_steps):
    return LambdaLR(optimizer, lambda step: 10.0**step)


class WarnsOfItsFuture(Counting):
    def get_lr(self):
        warnings.warn("this will be another schedule", FutureWarning, stacklevel=1)
        return super().get_lr()


class OneRateForAll(Counting):
    """A rate that is an option of its own, whatever the groups had."""

    def get_lr(self):
        return [0.1 * self.share() for _ in self.base_lrs]


class FirstGroupAlone(Counting):
    def get_lr(self):
        return [self.base_lrs[0] * self.share(), *self.base_lrs[1:]]


class AbsoluteFloor(Counting):
    def get_lr(self):
        return [max(lr, 0.04) for lr in super().get_lr()]


class CountsToItself(Counting):
    """Its count is in a closure, so not in `state_dict`."""

    def __init__(self, optimizer, total_steps):
        done = count(1)
        self.share = lambda: 1 / next(done)
        super().__init__(optimizer, total_steps)


class WritesNothingDown(Counting):
    def state_dict(self):
        return {}


class KeepsAWindow(Counting):
    """A deque is no plain value."""

    def __init__(self, optimizer, total_steps):
        self.recent = deque([0.0], maxlen=5)
        super().__init__(optimizer, total_steps)


class LoadsTheBeginning(Counting):
    def load_state_dict(self, state_dict):
        super().load_state_dict({**state_dict, "last_epoch": 0})


class CountsBadLossesToItself(ReduceLROnPlateau):
    def __init__(self, optimizer, total_steps):
        super().__init__(optimizer, patience=5)

    def state_dict(self):
        return {**super().state_dict(), "num_bad_epochs": 0}


def torchs_cosine(optimizer, total_steps):
    """Each rate follows from the one before."""
    return lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(total_steps, 1))


def multiplies_the_last_rate(optimizer, total_steps):
    return MultiplicativeLR(optimizer, lambda step: 0.9)


def counts_in_the_optimizer(optimizer, total_steps):
    """The optimizer is saved with the count, and then counted up to once more."""
    schedule = LambdaLR(optimizer, lambda step: 1.0)

    def rates():
        for group in optimizer.param_groups:
            group["count"] = group.get("count", 0) + 1
        return [group["initial_lr"] * 0.9 ** group["count"] for group in optimizer.param_groups]

    schedule.get_lr = rates
    return schedule


class CountsForAll(Counting):
    """One count for every schedule in the process."""

    done = 0

    def share(self):
        CountsForAll.done += 1
        return 0.999**CountsForAll.done


class RestartsByChance(Counting):
    def share(self):
        return 1.0 if torch.rand(()) < 0.1 else super().share()


class JittersByNumpy(Counting):
    def share(self):
        return super().share() * np.random.uniform(0.9, 1.1)


class DecaysWeights(Counting):
    """A weight decay that belongs into the optimizer."""

    @torch.no_grad()
    def get_lr(self):
        for group in self.optimizer.param_groups:
            for p in group["params"]:
                p.mul_(0.999)
        return super().get_lr()


class ScalesGradients(Counting):
    @torch.no_grad()
    def get_lr(self):
        for group in self.optimizer.param_groups:
            for p in group["params"]:
                p.grad.mul_(self.share())
        return super().get_lr()


class ClearsGradients(Counting):
    def get_lr(self):
        for group in self.optimizer.param_groups:
            for p in group["params"]:
                p.grad = None
        return super().get_lr()


CHECKS = checks_in(schedules)
DEFECTS = [
    (NotTorchs, schedules.schedule_is_torchs, "LRScheduler; seen: NotTorchs"),
    (over_another_optimizer, schedules.schedule_is_torchs, "another, or none"),
    (divides_by_the_last_step, schedules.every_step_has_a_rate, "ZeroDivisionError"),
    (falls_below_nothing, schedules.every_step_has_a_rate, "at least 0 at every step; seen: -"),
    (has_no_rate_after_the_last_step, schedules.every_step_has_a_rate, "IndexError"),
    (warms_up_over_a_tenth, schedules.every_step_has_a_rate, "nan at step 0|divi"),
    (takes_no_short_run, schedules.every_step_has_a_rate, "Expected positive integer total_steps"),
    (grows_beyond_all_bounds, schedules.every_step_has_a_rate, "Error|inf at step"),
    (WarnsOfItsFuture, schedules.every_step_has_a_rate, "FutureWarning"),
    (OneRateForAll, schedules.groups_keep_their_ratio, r"rates as \(0.5, 0.05, 0.2\)"),
    (FirstGroupAlone, schedules.groups_keep_their_ratio, r"rates as \(0.5, 0.05, 0.2\)"),
    (AbsoluteFloor, schedules.groups_keep_their_ratio, r"rates as \(0.5, 0.05, 0.2\)"),
    (CountsToItself, schedules.saved_schedule_goes_on, "a loaded schedule to go on with"),
    (WritesNothingDown, schedules.saved_schedule_goes_on, "a loaded schedule to go on with"),
    (KeepsAWindow, schedules.saved_schedule_goes_on, "JSON values and tensors"),
    (LoadsTheBeginning, schedules.saved_schedule_goes_on, "a loaded schedule to go on with"),
    (CountsBadLossesToItself, schedules.saved_schedule_goes_on, "a loaded schedule to go on"),
    (counts_in_the_optimizer, schedules.stepping_up_to_a_step_is_being_there, "rates of step 9"),
    (CountsForAll, schedules.same_steps_give_the_same_rates, "beside another too"),
    (RestartsByChance, schedules.same_steps_give_the_same_rates, "torch's random state"),
    (JittersByNumpy, schedules.same_steps_give_the_same_rates, "numpy's random state"),
    (DecaysWeights, schedules.weights_are_left_alone, "weights that a schedule leaves alone"),
    (ScalesGradients, schedules.weights_are_left_alone, "gradients that a schedule leaves alone"),
    (ClearsGradients, schedules.weights_are_left_alone, "gradients that a schedule leaves alone"),
]


@pytest.mark.parametrize(("schedule", "check", "message"), DEFECTS)
def test_a_planted_mistake_is_caught_by_its_check(schedule, check, message):
    with pytest.raises(Broken, match=message):
        verify(check, Subject.of("schedule", schedule, {}))


def test_every_check_catches_something():
    assert {check for _, check, _ in DEFECTS} == set(CHECKS)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    "schedule", [inverse_root, Counting, torchs_cosine, multiplies_the_last_rate]
)
def test_a_schedule_as_one_would_write_it_keeps_every_promise(schedule, check):
    verify(check, Subject.of("schedule", schedule, {}))


def test_a_schedule_that_waits_for_losses_keeps_every_promise_but_one_that_is_not_its():
    subject = Subject.of("schedule", plateau, {})
    results = [look_at(check, subject) for check in CHECKS]
    assert not [result for result in results if result.verdict == "broken"]
    with pytest.raises(NotApplicable, match="always loaded"):
        schedules.stepping_up_to_a_step_is_being_there(subject)
