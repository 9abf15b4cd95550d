"""What an optimizer promises."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from seqlab.testing.descending import (
    clear,
    descend,
    expect_same,
    gradients_of,
    losses,
    set_gradients,
    take_step,
    values_of,
)
from seqlab.testing.parameters import SHAPES, Parameters, draw_parameters
from seqlab.testing.promises import NotApplicable, Subject, expect
from seqlab.testing.random_states import random_states_left_alone
from seqlab.testing.saving import saved_and_loaded
from seqlab.training.closure import needs_closure, skips_by_flag
from seqlab.training.eager_optimizers import eager_step, spare_compiler

STEPS, HALF = 6, 3
MANY_STEPS = 200


def _build(subject: Subject, weights: Parameters) -> Any:
    spare_compiler()
    optimizer = subject.build(list(weights.items()))
    expect(isinstance(optimizer, Optimizer), "a torch.optim.Optimizer", type(optimizer).__name__)
    return optimizer


def every_parameter_is_held_once(subject: Subject) -> None:
    """It is a torch Optimizer; each parameter is in one group, and every group has an `lr`."""
    weights = draw_parameters()
    groups = _build(subject, weights).param_groups
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
    descend(_build(subject, weights), weights, MANY_STEPS)
    after = [float(loss.detach()) for loss in losses(weights)]
    risen = [
        f"{name}: from {old:.3g} to {new:.3g}"
        for name, old, new in zip(SHAPES, before, after, strict=True)
        if not new < old
    ]
    expect(not risen, f"a lower loss of each parameter after {MANY_STEPS} steps", ", ".join(risen))


def gradients_count_as_they_are_at_the_step(subject: Subject) -> None:
    """A gradient that is clipped after `backward` is used as it was clipped."""
    clipped, plain = draw_parameters(), draw_parameters()
    clipping, scaling = _build(subject, clipped), _build(subject, plain)
    for factor in (0.01, -1.0, 0.5):  # a sign is seen where a size is normalised away
        take_step(clipping, clipped, partial(_clip, clipped, factor))
        take_step(scaling, plain, partial(_scale, plain, factor))
        promise = "the update of the gradient that was clipped"
        expect_same(values_of(clipped), values_of(plain), promise)


def _clip(weights: Parameters, factor: float) -> None:
    """Leave gradients by `backward`, and change them afterwards."""
    clear(weights)
    torch.stack(losses(weights)).sum().backward()  # type: ignore[no-untyped-call] # torch's own
    for parameter in weights.values():
        assert parameter.grad is not None  # noqa: S101 # backward was just called
        parameter.grad.mul_(factor)


def _scale(weights: Parameters, factor: float) -> None:
    set_gradients(weights, [gradient * factor for gradient in gradients_of(weights)])


def saved_optimizer_goes_on_to_the_bit(subject: Subject) -> None:
    """With a `state_dict` that was saved, another optimizer goes on, with the same `lr`."""
    straight = draw_parameters()
    first = _build(subject, straight)
    descend(first, straight, HALF)
    for group in first.param_groups:
        group["lr"] = float(group["lr"]) / 2  # as a schedule would have
    resumed = {name: nn.Parameter(p.detach().clone()) for name, p in straight.items()}
    second = _build(subject, resumed)
    second.load_state_dict(saved_and_loaded(first.state_dict()))
    rates = [[group["lr"] for group in opt.param_groups] for opt in (first, second)]
    expect(rates[0] == rates[1], f"the rates that were saved: {rates[0]}", rates[1])
    for _ in range(HALF):
        descend(first, straight)
        descend(second, resumed)
        expect_same(
            values_of(resumed), values_of(straight), "a loaded optimizer to go on to the bit"
        )


def parameters_without_gradient_are_left_alone(subject: Subject) -> None:
    """A parameter whose gradient is None stays as it is, whatever it had before."""
    for warm in (0, 1):
        for name in SHAPES:
            weights = draw_parameters()
            optimizer = _build(subject, weights)
            descend(optimizer, weights, warm)
            before = weights[name].detach().clone()
            take_step(optimizer, weights, partial(_leave_out, weights, name))
            expect(weights[name].equal(before), f"{name} without gradient to stay", "it changed")
    take_step(optimizer, weights, partial(clear, weights))


def _leave_out(weights: Parameters, name: str) -> None:
    """Leave gradients, but none of one parameter."""
    set_gradients(weights, gradients_of(weights))
    weights[name].grad = None


def training_twice_gives_the_same(subject: Subject) -> None:
    """The same gradients give the same weights; nothing is drawn from a global generator."""
    with random_states_left_alone():
        first = _trained(subject)
    expect_same(_trained(subject), first, "the same weights from the same gradients")


def _trained(subject: Subject) -> list[Tensor]:
    weights = draw_parameters()
    descend(_build(subject, weights), weights, STEPS)
    return values_of(weights)


def only_weights_change(subject: Subject) -> None:
    """A step leaves the gradients as they are: the same tensors with the same values."""
    weights = draw_parameters()
    optimizer = _build(subject, weights)
    left: list[list[Tensor]] = []  # of the latest evaluation: gradients, and their values

    def evaluate() -> None:
        gradients = gradients_of(weights)
        set_gradients(weights, gradients)
        left[:] = gradients, [gradient.clone() for gradient in gradients]

    for _ in range(HALF):
        take_step(optimizer, weights, evaluate)
        gradients, before = left
        expect(
            all(p.grad is g for p, g in zip(weights.values(), gradients, strict=True)),
            "the gradients to be the tensors that they were",
            "others, or none",
        )
        expect_same(gradients, before, "the gradients to be as they were before the step")


def first_evaluation_is_at_the_weights(subject: Subject) -> None:
    """An optimizer that needs a closure calls it first with the weights as they were."""
    weights = draw_parameters()
    optimizer = _build(subject, weights)
    if not needs_closure(optimizer):
        raise NotApplicable("it does not say `needs_closure`, so it is given none")
    seen: list[list[Tensor]] = []

    def evaluate() -> None:
        seen.append(values_of(weights))
        set_gradients(weights, gradients_of(weights))

    for _ in range(HALF):
        before = values_of(weights)
        seen.clear()
        take_step(optimizer, weights, evaluate)
        expect(bool(seen), "a step that calls its closure", "it calls none")
        expect_same(seen[0], before, "the first evaluation at the weights before the step")


def told_of_infinity_a_fused_step_does_nothing(subject: Subject) -> None:
    """Where every group says `fused`, `found_inf` of 1 leaves weights and state alone."""
    if not skips_by_flag(_build(subject, draw_parameters())):
        raise NotApplicable("not every group says `fused`, so it is not asked to skip a step")
    for warm in (0, 1):
        skipped, plain = draw_parameters(), draw_parameters()
        skipping, stepping = _build(subject, skipped), _build(subject, plain)
        descend(skipping, skipped, warm)
        descend(stepping, plain, warm)
        with _fill_uninitialised_memory():
            _skip(skipping, skipped)
        promise = "weights that a step with found_inf left alone"
        expect_same(values_of(skipped), values_of(plain), promise)
        skipping.found_inf = torch.tensor(0.0)
        descend(skipping, skipped)
        descend(stepping, plain)
        promise = "the next step as if none was skipped before it"
        expect_same(values_of(skipped), values_of(plain), promise)


def _skip(optimizer: Any, weights: Parameters) -> None:
    for parameter in weights.values():
        parameter.grad = torch.full_like(parameter, math.nan)
    optimizer.found_inf = torch.tensor(1.0)
    eager_step(optimizer)()


@contextmanager
def _fill_uninitialised_memory() -> Iterator[None]:
    """Have torch fill new buffers with NaN, so that no unwritten buffer is zero by chance."""
    before = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("warn")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)


def rate_in_the_groups_is_used(subject: Subject) -> None:
    """An `lr` of 0 in the groups stops every weight at once; the old one moves them again."""
    weights = draw_parameters()
    optimizer = _build(subject, weights)
    descend(optimizer, weights)
    before, rates = values_of(weights), [group["lr"] for group in optimizer.param_groups]
    _set_rates(optimizer, [0.0 for _ in rates])
    descend(optimizer, weights)
    expect_same(values_of(weights), before, "no change of any weight with an `lr` of 0")
    _set_rates(optimizer, rates)
    descend(optimizer, weights, STEPS)
    still = _unmoved(weights, before)
    expect(not still, "every weight to move once `lr` is what it was", f"still: {still}")


def _set_rates(optimizer: Optimizer, rates: list[float]) -> None:
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate


def _unmoved(weights: Parameters, before: list[Tensor]) -> list[str]:
    pairs = zip(weights.items(), before, strict=True)
    return [name for (name, parameter), old in pairs if parameter.equal(old)]


def double_precision_is_kept(subject: Subject) -> None:
    """Parameters of float64 are trained, and stay float64."""
    weights = draw_parameters(torch.float64)
    before = values_of(weights)
    descend(_build(subject, weights), weights, STEPS)
    kinds = {p.dtype for p in weights.values()}
    expect(kinds == {torch.float64}, "parameters that stay float64", kinds)
    finite = all(bool(p.isfinite().all()) for p in weights.values())
    expect(finite, "finite weights from float64", "not a number, or infinity")
    still = _unmoved(weights, before)
    expect(not still, "every weight of float64 to move", f"still: {still}")
