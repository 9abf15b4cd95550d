"""What a schedule of the learning rate promises."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from seqlab.testing.building import epoch_of
from seqlab.testing.parameters import draw_parameters
from seqlab.testing.promises import NotApplicable, Subject, expect
from seqlab.testing.random_states import random_states_left_alone
from seqlab.testing.saving import saved_and_loaded
from seqlab.training.eager_optimizers import spare_compiler
from seqlab.training.schedules import wants_metric

TOTALS = (0, 1, 2, 10, 1000, 3000)
RATES = (0.5, 0.05, 0.2)  # of three groups
LOSS = 2.0  # of every evaluation, so that a schedule that waits for a better loss acts
STEPS = 20
RUNS = ((STEPS, 9), (400, 250))  # steps of a run, and where it is saved
CLOSE = 1e-6

Rates = list[float]


def _optimizer() -> Optimizer:
    """An optimizer before its first step: three groups with different rates, and gradients."""
    spare_compiler()
    weights = list(draw_parameters().values())
    for parameter in weights:
        parameter.grad = torch.ones_like(parameter)
    parts = (weights[:2], weights[2:3], weights[3:])
    groups = [{"params": part, "lr": rate} for part, rate in zip(parts, RATES, strict=True)]
    optimizer = SGD(groups, lr=RATES[0], momentum=0.9)
    optimizer._opt_called = True  # type: ignore[attr-defined] # or torch warns of that
    return optimizer


def _build(subject: Subject, optimizer: Optimizer, total_steps: int = STEPS) -> Any:
    schedule = subject.build(optimizer, total_steps, epoch_of=epoch_of)
    right = isinstance(schedule, LRScheduler)
    expect(right, "a torch.optim.lr_scheduler.LRScheduler", type(schedule).__name__)
    return schedule


def _step(schedule: Any) -> None:
    """As the core does: after an evaluation with its loss, or after a step of the optimizer."""
    schedule.step(LOSS) if wants_metric(schedule) else schedule.step()


def _rates(optimizer: Optimizer) -> Rates:
    return [float(group["lr"]) for group in optimizer.param_groups]


def _rates_by_step(optimizer: Optimizer, schedule: Any) -> Iterator[Rates]:
    """The rates of all groups now, then after each step."""
    while True:
        yield _rates(optimizer)
        _step(schedule)


def _run(subject: Subject, total_steps: int = STEPS) -> list[Rates]:
    """The rates of a whole run, and those after its last step."""
    optimizer = _optimizer()
    rates = _rates_by_step(optimizer, _build(subject, optimizer, total_steps))
    return list(islice(rates, total_steps + 1))


def schedule_is_torchs(subject: Subject) -> None:
    """It is an LRScheduler over the optimizer that it was given."""
    optimizer = _optimizer()
    same = getattr(_build(subject, optimizer), "optimizer", None) is optimizer
    expect(same, "a schedule whose `optimizer` is the one that was given", "another, or none")


def every_step_has_a_rate(subject: Subject) -> None:
    """For runs of 0 to 3000 steps `lr` is finite and >= 0 at every step, and nothing is warned.

    A run that is too short for an option may be refused by a ValueError that names the option.
    """
    for total in TOTALS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                rates_by_step = _run(subject, total)
        except ValueError as refusal:
            if not any(option in str(refusal) for option in subject.options):
                raise
            continue
        except (ArithmeticError, LookupError) as error:
            promise = f"a rate at every step of a run of {total}"
            expect(False, promise, f"{type(error).__name__}: {error}")
        wrong = [
            f"{rate} at step {step} of {total}"
            for step, rates in enumerate(rates_by_step)
            for rate in rates
            if not 0 <= rate < math.inf
        ]
        expect(not wrong, "a rate of at least 0 at every step", ", ".join(wrong[:2]))


def groups_keep_their_ratio(subject: Subject) -> None:
    """Every group of the optimizer is scaled: three with different rates keep their ratios."""
    for step, rates in enumerate(_run(subject)):
        shares = [rate / first for rate, first in zip(rates, RATES, strict=True)]
        kept = max(shares) - min(shares) <= CLOSE
        expect(kept, f"rates as {RATES} in all steps", f"{rates} at step {step}")


def saved_schedule_goes_on(subject: Subject) -> None:
    """With a `state_dict` that was saved, another schedule goes on with the same rates."""
    for total, saved in RUNS:
        optimizer = _optimizer()
        schedule = _build(subject, optimizer, total)
        rates = _rates_by_step(optimizer, schedule)
        next(islice(rates, saved, None))
        resumed, loaded = _resume(subject, optimizer, total)
        loaded.load_state_dict(saved_and_loaded(_state_dict(schedule)))
        expected = [_rates(optimizer), *islice(rates, total - saved)]
        actual = list(islice(_rates_by_step(resumed, loaded), len(expected)))
        pairs = enumerate(zip(actual, expected, strict=True))
        step = next((n for n, (one, other) in pairs if one != other), 0)
        promise = f"a loaded schedule to go on with {expected[step : step + 3]} …"
        expect(actual == expected, promise, actual[step : step + 3])


def _resume(subject: Subject, optimizer: Optimizer, total: int) -> tuple[Optimizer, Any]:
    """Build a schedule over a new optimizer, and then load the optimizer, as the core does."""
    resumed = _optimizer()
    schedule = _build(subject, resumed, total)
    resumed.load_state_dict(saved_and_loaded(optimizer.state_dict()))
    return resumed, schedule


def _state_dict(schedule: Any) -> dict[str, Any]:
    """The part of its state that the training loop saves."""
    return {key: value for key, value in schedule.state_dict().items() if not callable(value)}


def stepping_up_to_a_step_is_being_there(subject: Subject) -> None:
    """A new schedule that is stepped k times over a saved optimizer has the rate of step k.

    That is how a run goes on whose number of steps was changed: from the first rates.
    """
    if wants_metric(_build(subject, _optimizer())):
        raise NotApplicable("it is stepped with losses, so it is always loaded")
    for total, step in RUNS:
        _expect_rate_of_step(subject, total, step)


def _expect_rate_of_step(subject: Subject, total: int, step: int) -> None:
    optimizer = _optimizer()
    rates = _rates_by_step(optimizer, _build(subject, optimizer, total))
    expected = next(islice(rates, step, None))
    resumed, stepped = _resume(subject, optimizer, total)
    for group, first in zip(resumed.param_groups, stepped.get_last_lr(), strict=True):
        group["lr"] = first
    for _ in range(step):
        _step(stepped)
    actual = _rates(resumed)
    close = all(abs(a - b) <= CLOSE * RATES[0] for a, b in zip(actual, expected, strict=True))
    expect(close, f"the rates of step {step} after {step} steps: {expected}", actual)


def same_steps_give_the_same_rates(subject: Subject) -> None:
    """Two schedules side by side have the same rates; nothing is drawn from a global generator."""
    for total, _ in RUNS:
        with random_states_left_alone():
            alone = _run(subject, total)
        optimizers = [_optimizer(), _optimizer()]
        schedules = [_build(subject, optimizer, total) for optimizer in optimizers]
        runs = [_rates_by_step(*pair) for pair in zip(optimizers, schedules, strict=True)]
        pairs = islice(zip(*runs, strict=True), total + 1)
        for step, (expected, pair) in enumerate(zip(alone, pairs, strict=True)):
            same = list(pair) == [expected, expected]
            expect(same, f"the rates {expected} at step {step}, beside another too", pair)


def weights_are_left_alone(subject: Subject) -> None:
    """Neither weights nor gradients nor the optimizer's state are changed."""
    optimizer = _optimizer()
    before = _contents(optimizer)
    list(islice(_rates_by_step(optimizer, _build(subject, optimizer)), STEPS))
    for (name, old), (_, new) in zip(before, _contents(optimizer), strict=True):
        expect(old.equal(new), f"{name} that a schedule leaves alone", "they changed")
    held = len(optimizer.state)
    expect(held == 0, "the state of an optimizer that was not stepped: none", f"{held} entries")


def _contents(optimizer: Optimizer) -> list[tuple[str, Tensor]]:
    parameters: list[Tensor] = [p for group in optimizer.param_groups for p in group["params"]]
    gradients = [torch.empty(0) if p.grad is None else p.grad.clone() for p in parameters]
    weights = [("weights", p.detach().clone()) for p in parameters]
    return weights + [("gradients", gradient) for gradient in gradients]
