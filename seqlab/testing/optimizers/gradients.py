"""What an optimizer promises of the gradients that it reads."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from seqlab.testing.optimizers.inputs import (
    HALF,
    MANY_STEPS,
    STEPS,
    build_optimizer,
    clear,
    descend,
    expect_near_weights,
    expect_same_weights,
    gradients_of,
    losses,
    set_gradients,
    set_scaled,
    take_step,
    values_of,
)
from seqlab.testing.parameters import SHAPES, Parameters, draw_parameters
from seqlab.testing.promises import NotApplicable, Subject, expect
from seqlab.training.closure import needs_closure


def gradients_count_as_they_are_at_the_step(subject: Subject) -> None:
    """A gradient that is clipped after `backward` is used as it was clipped."""
    clipped, plain = draw_parameters(), draw_parameters()
    clipping, scaling = build_optimizer(subject, clipped), build_optimizer(subject, plain)
    for factor in (0.01, -1.0, 0.5):  # a sign is seen where a size is normalised away
        take_step(clipping, clipped, partial(_clip, clipped, factor))
        descend(scaling, plain, factor=factor)
        promise = "the update of the gradient that was clipped"
        expect_same_weights(clipped, values_of(plain), promise)


def _clip(weights: Parameters, factor: float) -> None:
    """Leave gradients by `backward`, and change them afterwards."""
    clear(weights)
    torch.stack(losses(weights)).sum().backward()  # type: ignore[no-untyped-call] # torch's own
    for parameter in weights.values():
        assert parameter.grad is not None  # noqa: S101 # backward was just called
        parameter.grad.mul_(factor)


def parameters_without_gradient_are_left_alone(subject: Subject) -> None:
    """A parameter whose gradient is None stays as it is, whatever it had before."""
    for warm in (0, 1):
        for name in SHAPES:
            weights = draw_parameters()
            optimizer = build_optimizer(subject, weights)
            descend(optimizer, weights, warm)
            before = weights[name].detach().clone()
            take_step(optimizer, weights, partial(_leave_out, weights, name))
            expect(weights[name].equal(before), f"{name} without gradient to stay", "it changed")
            _expect_others_to_go_on(subject, weights, name, warm)
    take_step(optimizer, weights, partial(clear, weights))


def _leave_out(weights: Parameters, name: str) -> None:
    """Leave gradients, but none of one parameter."""
    set_scaled(weights)
    weights[name].grad = None


def first_evaluation_is_at_the_weights(subject: Subject) -> None:
    """An optimizer that needs a closure calls it first with the weights as they were."""
    weights = draw_parameters()
    optimizer = build_optimizer(subject, weights)
    if not needs_closure(optimizer):
        raise NotApplicable("it does not say `needs_closure`, so it is given none")
    seen: list[list[Tensor]] = []

    def evaluate() -> None:
        seen.append(values_of(weights))
        set_scaled(weights)

    for _ in range(HALF):
        before = values_of(weights)
        seen.clear()
        take_step(optimizer, weights, evaluate)
        expect(bool(seen), "a step that calls its closure", "it calls none")
        first = dict(zip(weights, seen[0], strict=True))
        expect_same_weights(first, before, "the first evaluation at the weights before the step")


def only_weights_change(subject: Subject) -> None:
    """A step leaves the gradients as they are: the same tensors with the same values."""
    weights = draw_parameters()
    optimizer = build_optimizer(subject, weights)
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
        held = dict(zip(SHAPES, gradients, strict=True))
        expect_same_weights(held, before, "the gradients to be as they were before the step")


def _expect_others_to_go_on(subject: Subject, weights: Parameters, name: str, warm: int) -> None:
    """Compare the others with those of a step in which the gradient that lacks is all zero."""
    other = draw_parameters()
    optimizer = build_optimizer(subject, other)
    descend(optimizer, other, warm)

    def evaluate() -> None:
        gradients = gradients_of(other)
        gradients[list(SHAPES).index(name)].zero_()
        set_gradients(other, gradients)

    take_step(optimizer, other, evaluate)
    rest = {key: parameter for key, parameter in weights.items() if key != name}
    expected = [parameter.detach() for key, parameter in other.items() if key != name]
    expect_near_weights(rest, expected, f"all but {name}, without gradient, to go on as before")


def gradients_may_be_any_numbers(subject: Subject) -> None:
    """Weights stay finite with gradients of zeros, with small and large ones, and equal ones."""
    for factor in (0.0, 1e-12, 1.0, 1e6):
        weights = draw_parameters()
        optimizer = build_optimizer(subject, weights)
        gradients = [gradient * factor for gradient in gradients_of(weights)]

        def evaluate(weights: Parameters = weights, given: list[Tensor] = gradients) -> None:
            set_gradients(weights, [gradient.clone() for gradient in given])

        for _ in range(MANY_STEPS):
            take_step(optimizer, weights, evaluate)
        bad = [name for name, p in weights.items() if not p.isfinite().all()]
        promise = f"finite weights after {MANY_STEPS} times the gradient times {factor:g}"
        expect(not bad, promise, f"not for {', '.join(bad)}")


def gradients_may_be_written_in_place(subject: Subject) -> None:
    """The tensors of gradients may be the same in every step, with new values."""
    kept, plain = draw_parameters(), draw_parameters()
    optimizers = build_optimizer(subject, kept), build_optimizer(subject, plain)
    set_gradients(kept, gradients_of(kept))

    def evaluate() -> None:
        for parameter, gradient in zip(kept.values(), gradients_of(kept), strict=True):
            parameter.grad.copy_(gradient)  # type: ignore[union-attr] # it was just set

    for _ in range(STEPS):
        take_step(optimizers[0], kept, evaluate)
        descend(optimizers[1], plain)
        promise = "the same weights where gradients are written into the same tensors"
        expect_same_weights(kept, values_of(plain), promise)


def weights_may_lie_in_any_order(subject: Subject) -> None:
    """Weights and gradients whose dimensions lie in another order in memory are trained alike."""
    turned, plain = draw_parameters(), draw_parameters()
    for parameter in turned.values():
        parameter.data = parameter.data.transpose(0, -1).contiguous().transpose(0, -1)
    turned_optimizer = build_optimizer(subject, turned)
    optimizer = build_optimizer(subject, plain)
    promise = "weights that lie in another order in memory to be trained as others"

    def evaluate() -> None:
        for parameter, gradient in zip(turned.values(), gradients_of(turned), strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(gradient)  # as `backward` lays it

    for _ in range(STEPS):
        try:
            take_step(turned_optimizer, turned, evaluate)
        except RuntimeError as error:  # torch's, of a view
            expect(False, promise, error)
        descend(optimizer, plain)
        expect_near_weights(turned, values_of(plain), promise)
