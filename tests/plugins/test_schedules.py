"""Learning rates over a run, step by step."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, OneCycleLR

import seqlab

NAMES = ("constant", "linear", "cosine", "one_cycle", "warmup_stable_decay")
LR = 0.5
every_schedule = pytest.mark.parametrize("name", NAMES)
with_warmup = pytest.mark.parametrize("name", ["constant", "linear", "cosine"])

relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def optimizer() -> torch.optim.SGD:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=LR)


def rates(make, steps) -> list[float]:
    """The rate of each of `steps` steps, taken as the loop takes them."""
    sgd = optimizer()
    return rates_from(sgd, make(sgd), steps)


def rates_from(sgd, schedule, steps) -> list[float]:
    values = []
    for _ in range(steps):
        values.append(sgd.param_groups[0]["lr"])
        sgd.step()
        schedule.step()
    return values


@pytest.fixture
def ours(registry):
    def ours(name, total, steps=None, **options):
        factory = registry.find("schedule", name).factory
        return rates(lambda sgd: factory(sgd, total, **options), total if steps is None else steps)

    return ours


def test_constant_is_the_rate_that_was_given(ours):
    assert ours("constant", 5) == [LR] * 5


def test_linear_is_torchs(ours):
    torchs = rates(lambda sgd: LinearLR(sgd, 1.0, 0.1, total_iters=20), 20)
    assert ours("linear", 20, final=0.1) == pytest.approx(torchs)


def test_cosine_is_torchs(ours):
    torchs = rates(lambda sgd: CosineAnnealingLR(sgd, T_max=20, eta_min=0.1 * LR), 20)
    assert ours("cosine", 20, final=0.1) == pytest.approx(torchs)


def test_one_cycle_is_torchs(ours):
    torchs = rates(lambda sgd: OneCycleLR(sgd, LR, total_steps=20, pct_start=0.25), 20)
    assert ours("one_cycle", 20, rising=0.25) == pytest.approx(torchs)


@with_warmup
def test_warm_up_rises_evenly_to_the_full_rate(ours, name):
    assert ours(name, 20, warmup=4)[:5] == pytest.approx([LR * share / 5 for share in range(1, 6)])


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_what_follows_the_warm_up_is_the_schedule_over_the_steps_that_are_left(ours, name):
    assert ours(name, 20, warmup=4)[4:] == pytest.approx(ours(name, 16))


@with_warmup
def test_a_warm_up_longer_than_the_run_is_refused(ours, name):
    with pytest.raises(ValueError, match="warmup is 10 steps, but the run has 3"):
        ours(name, 3, warmup=10)
    assert ours(name, 10, warmup=10)[-1] < LR


@pytest.mark.parametrize(("name", "end"), [("constant", LR), ("linear", 0.1), ("cosine", 0.1)])
def test_beyond_the_last_step_the_rate_stays_what_it_came_to(ours, name, end):
    options = {} if name == "constant" else {"final": 0.2}
    assert ours(name, 4, steps=9, **options)[4:] == pytest.approx([end] * 5)


@every_schedule
@pytest.mark.parametrize("total", [1, 2, 3, 10])
def test_every_step_of_a_run_has_a_rate_between_nothing_and_the_full_one(ours, name, total):
    assert all(0 <= rate <= LR for rate in ours(name, total))


@pytest.mark.parametrize(("rising", "total"), [(0.0, 4), (0.1, 10), (0.5, 2), (1.0, 4)])
def test_one_cycle_takes_every_share_of_rising_steps(ours, rising, total):
    assert max(ours("one_cycle", total, rising=rising)) <= LR


def test_warmup_stable_decay_rises_stays_and_falls(ours):
    values = ours("warmup_stable_decay", 20, rising=0.2, falling=0.3, final=0.01)
    assert values[:5] == pytest.approx([LR * share / 5 for share in range(1, 6)])
    assert values[4:14] == [LR] * 10
    assert values[14:] == pytest.approx([LR * 0.01 ** (share / 6) for share in range(1, 7)])


@relaxed
@given(st.integers(1, 60), st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1), st.integers(0, 20))
def test_warmup_stable_decay_is_defined_at_every_step(ours, total, rising, share, final, beyond):
    falling = (1 - rising) * share
    values = ours(
        "warmup_stable_decay", total, total + beyond, rising=rising, falling=falling, final=final
    )
    top = values.index(max(values))
    assert values[: top + 1] == sorted(values[: top + 1])
    assert values[top:] == sorted(values[top:], reverse=True)
    assert 0 < min(values) <= max(values) <= LR
    assert len(set(values[total:])) <= 1


def test_the_only_step_of_a_run_has_the_full_rate_under_warmup_stable_decay(ours):
    assert ours("warmup_stable_decay", 1) == [LR]


def test_warmup_stable_decay_refuses_shares_of_more_than_everything(ours):
    with pytest.raises(ValueError, match="should be at most 1 together"):
        ours("warmup_stable_decay", 9, rising=0.6, falling=0.5)


@pytest.fixture
def after(registry):
    """The rate after each of some evaluations, under `plateau`."""

    def after(losses, **options):
        sgd = optimizer()
        schedule = registry.find("schedule", "plateau").factory(sgd, 99, **options)
        values = []
        for loss in losses:
            schedule.step(loss)
            values.append(sgd.param_groups[0]["lr"])
        return values

    return after


def test_plateau_falls_once_patience_is_over(after):
    assert after([3, 3, 3, 3], patience=1, factor=0.5) == [LR, LR, LR / 2, LR / 2]


def test_plateau_keeps_the_rate_while_the_loss_falls(after):
    assert after([3, 2, 1], patience=0) == [LR] * 3


def test_plateau_takes_less_than_its_threshold_for_no_better(after):
    assert after([3, 2.9], patience=0, threshold=0.1)[-1] < LR
    assert after([3, 2.9], patience=0, threshold=0.01)[-1] == LR


def test_plateau_never_falls_below_its_lowest(after):
    assert after([1] * 9, patience=0, factor=0.1, lowest=0.2)[-1] == 0.2


def test_plateau_falls_on_however_low_the_rate_is(after):
    assert after([1] * 14, patience=0, factor=0.1)[-1] == pytest.approx(LR * 1e-13)


def test_plateau_refuses_a_lowest_that_no_rate_is_above(tiny, registry):
    sections = {"schedule": {"name": "plateau", "lowest": 0.5}, "evaluation": {}}
    with pytest.raises(seqlab.ExperimentError, match=r"`lowest` \(0\.5\) should be below lr"):
        seqlab.run(
            tiny | sections | {"corpus": tiny["corpus"] | {"holdout": 0.1}}, registry=registry
        )


def test_plateau_waits_for_evaluations_and_not_for_steps(full, registry):
    sections = {"schedule": {"name": "plateau", "patience": 0, "threshold": 0.9}}
    rows = seqlab.run(full | sections | {"evaluation": {"every": 6}}, registry=registry).metrics
    rates = {row["step"]: row["lr"] for row in rows}
    assert rates[6] == rates[12] == 0.01
    assert rates[14] == pytest.approx(0.001)
    assert rates[20] == pytest.approx(0.0001)


def test_plateau_without_evaluations_is_refused(tiny, registry):
    with pytest.raises(seqlab.ExperimentError, match=r"schedule: .*add a section `evaluation`"):
        seqlab.run(tiny | {"schedule": "plateau"}, registry=registry)
