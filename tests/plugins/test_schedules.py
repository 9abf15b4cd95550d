"""Learning rates over a run, step by step."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, OneCycleLR

NAMES = ("constant", "linear", "cosine", "one_cycle")
LR = 0.5
every_schedule = pytest.mark.parametrize("name", NAMES)
with_warmup = pytest.mark.parametrize("name", ["constant", "linear", "cosine"])


def optimizer() -> torch.optim.SGD:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=LR)


def rates(make, steps) -> list[float]:
    """The rate of each of `steps` steps, taken as the loop takes them."""
    one = optimizer()
    return rates_from(one, make(one), steps)


def rates_from(one, schedule, steps) -> list[float]:
    found = []
    for _ in range(steps):
        found.append(one.param_groups[0]["lr"])
        one.step()
        schedule.step()
    return found


@pytest.fixture
def ours(registry):
    def ours(name, total, steps=None, **options):
        factory = registry.find("schedule", name).factory
        return rates(lambda one: factory(one, total, **options), total if steps is None else steps)

    return ours


def test_constant_is_the_rate_that_was_given(ours):
    assert ours("constant", 5) == [LR] * 5


def test_linear_is_torchs(ours):
    torchs = rates(lambda one: LinearLR(one, 1.0, 0.1, total_iters=20), 20)
    assert ours("linear", 20, final=0.1) == pytest.approx(torchs)


def test_cosine_is_torchs(ours):
    torchs = rates(lambda one: CosineAnnealingLR(one, T_max=20, eta_min=0.1 * LR), 20)
    assert ours("cosine", 20, final=0.1) == pytest.approx(torchs)


def test_one_cycle_is_torchs(ours):
    torchs = rates(lambda one: OneCycleLR(one, LR, total_steps=20, pct_start=0.25), 20)
    assert ours("one_cycle", 20, rising=0.25) == pytest.approx(torchs)


@with_warmup
def test_warm_up_rises_evenly_to_the_full_rate(ours, name):
    assert ours(name, 20, warmup=4)[:5] == pytest.approx([LR * share / 5 for share in range(1, 6)])


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_what_follows_the_warm_up_is_the_schedule_over_the_steps_that_are_left(ours, name):
    assert ours(name, 20, warmup=4)[4:] == pytest.approx(ours(name, 16))


@with_warmup
def test_a_warm_up_longer_than_the_run_never_ends_in_it(ours, name):
    found = ours(name, 3, warmup=10)
    assert found == sorted(found)
    assert found[-1] < LR


@pytest.mark.parametrize(("name", "end"), [("constant", LR), ("linear", 0.1), ("cosine", 0.1)])
def test_beyond_the_last_step_the_rate_stays_what_it_came_to(ours, name, end):
    options = {} if name == "constant" else {"final": 0.2}
    assert ours(name, 4, steps=9, **options)[4:] == pytest.approx([end] * 5)


@every_schedule
@pytest.mark.parametrize("total", [1, 2, 3, 10])
def test_every_step_of_a_run_has_a_rate_between_nothing_and_the_full_one(ours, name, total):
    assert all(0 <= rate <= LR for rate in ours(name, total))


@every_schedule
def test_a_run_of_no_steps_has_a_schedule(registry, name):
    one = optimizer()
    registry.find("schedule", name).factory(one, 0)
    assert math.isfinite(one.param_groups[0]["lr"])


@pytest.mark.parametrize(("rising", "total"), [(0.0, 4), (0.1, 10), (0.5, 2), (1.0, 4)])
def test_one_cycle_takes_every_share_of_rising_steps(ours, rising, total):
    assert max(ours("one_cycle", total, rising=rising)) <= LR


def test_every_group_of_an_optimizer_follows_from_its_own_rate(registry):
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (1.0, 0.1)]
    one = torch.optim.SGD(groups)
    schedule = registry.find("schedule", "linear").factory(one, 2)
    one.step()
    schedule.step()
    assert [group["lr"] for group in one.param_groups] == pytest.approx([0.5, 0.05])


@every_schedule
def test_a_schedule_goes_on_from_its_state(registry, ours, name):
    factory = registry.find("schedule", name).factory
    halted, other = optimizer(), optimizer()
    first, second = factory(halted, 8), factory(other, 8)
    rates_from(halted, first, 3)
    other.load_state_dict(halted.state_dict())
    second.load_state_dict(first.state_dict())
    assert rates_from(other, second, 5) == ours(name, 8)[3:]
