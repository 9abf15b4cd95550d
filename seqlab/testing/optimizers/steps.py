"""What an optimizer promises of its steps and of its state."""

from __future__ import annotations

import math

import torch
from torch import nn

from seqlab.testing.optimizers.inputs import (
    HALF,
    MANY_STEPS,
    PERIODS,
    build_optimizer,
    descend,
    expect_same_weights,
    losses,
    unmoved,
    values_of,
)
from seqlab.testing.parameters import SHAPES, Parameters, draw_parameters
from seqlab.testing.promises import Subject, expect
from seqlab.testing.random_states import random_states_left_alone
from seqlab.testing.saving import saved_and_loaded

ANY_SHAPES = ((3, 2, 4), (2, 3, 1, 2), (2, 70), (70, 2), (1, 1), (1,))


def every_parameter_is_held_once(subject: Subject) -> None:
    """It is a torch Optimizer; each parameter is in one group, and every group has an `lr`."""
    weights = draw_parameters()
    groups = build_optimizer(subject, weights).param_groups
    held = [id(p) for group in groups for p in group["params"]]
    times = {name: held.count(id(p)) for name, p in weights.items()}
    expect(set(times.values()) == {1}, "each parameter to be in one group", f"so often: {times}")
    expect(len(held) == len(times), "no parameter but those that were given", f"{len(held)} held")
    rates = [float(group.get("lr", math.nan)) for group in groups]
    expect(all(0 <= rate < math.inf for rate in rates), "an `lr` in every group", rates)


def quadratic_falls(subject: Subject) -> None:
    """Two hundred steps bring each parameter nearer to the minimum of a quadratic."""
    weights = draw_parameters()
    before = [float(loss.detach()) for loss in losses(weights)]
    descend(build_optimizer(subject, weights), weights, MANY_STEPS)
    after = [float(loss.detach()) for loss in losses(weights)]
    risen = [
        f"{name}: from {old:.3g} to {new:.3g}"
        for name, old, new in zip(SHAPES, before, after, strict=True)
        if not new < old
    ]
    expect(not risen, f"a lower loss of each parameter after {MANY_STEPS} steps", ", ".join(risen))


def parameters_may_have_any_shape(subject: Subject) -> None:
    """Kernels, wide and tall matrices, and tensors of one number are trained."""
    for shape in ANY_SHAPES:
        weights = draw_parameters(shapes={"layers.0.weight": shape})
        (before,), promise = losses(weights), f"a parameter of shape {shape} to be trained"
        try:
            descend(build_optimizer(subject, weights), weights, MANY_STEPS)
        except (ArithmeticError, RuntimeError, TypeError, ValueError, IndexError) as error:
            expect(False, promise, f"{type(error).__name__}: {error}")
        (after,) = losses(weights)
        expect(bool(after < before), promise, f"a loss from {before:.3g} to {after:.3g}")


def saved_optimizer_goes_on_to_the_bit(subject: Subject) -> None:
    """With a `state_dict` that was saved, another optimizer goes on, with the same `lr`."""
    for steps in (HALF, PERIODS + 1):
        _expect_to_go_on(subject, steps)


def _expect_to_go_on(subject: Subject, steps: int) -> None:
    """Save after some steps, and compare as many that follow."""
    straight = draw_parameters()
    first = build_optimizer(subject, straight)
    descend(first, straight, steps)
    for group in first.param_groups:
        group["lr"] = float(group["lr"]) / 2  # as a schedule would have
    resumed = {name: nn.Parameter(p.detach().clone()) for name, p in straight.items()}
    second = build_optimizer(subject, resumed)
    second.load_state_dict(saved_and_loaded(first.state_dict()))
    rates = [[group["lr"] for group in opt.param_groups] for opt in (first, second)]
    expect(rates[0] == rates[1], f"the rates that were saved: {rates[0]}", rates[1])
    for _ in range(steps):
        descend(first, straight)
        descend(second, resumed)
        promise = "a loaded optimizer to go on to the bit"
        expect_same_weights(resumed, values_of(straight), promise)


def training_twice_gives_the_same(subject: Subject) -> None:
    """The same gradients give the same weights; nothing is drawn from a global generator."""
    with random_states_left_alone():
        first = values_of(_trained(subject))
    expect_same_weights(_trained(subject), first, "the same weights from the same gradients")


def _trained(subject: Subject) -> Parameters:
    weights = draw_parameters()
    descend(build_optimizer(subject, weights), weights, PERIODS)
    return weights


def double_precision_is_kept(subject: Subject) -> None:
    """Parameters of float64 are trained, and stay float64."""
    weights = draw_parameters(torch.float64)
    before = values_of(weights)
    descend(build_optimizer(subject, weights), weights, PERIODS)
    kinds = {p.dtype for p in weights.values()}
    expect(kinds == {torch.float64}, "parameters that stay float64", kinds)
    finite = all(bool(p.isfinite().all()) for p in weights.values())
    expect(finite, "finite weights from float64", "not a number, or infinity")
    still = unmoved(weights, before)
    expect(not still, "every weight of float64 to move", f"still: {still}")
