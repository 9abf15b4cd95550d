"""What an optimizer promises of the gradients that it reads."""

from __future__ import annotations

import torch

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
    values_of,
)
from seqlab.testing.parameters import SHAPES, Parameters, draw_parameters
from seqlab.testing.promises import Subject, expect
from seqlab.training.eager_optimizers import eager_step


def gradients_count_as_they_are_at_the_step(subject: Subject) -> None:
    """A gradient that is clipped after `backward` is used as it was clipped."""
    clipped, plain = draw_parameters(), draw_parameters()
    clipped_step = eager_step(build_optimizer(subject, clipped))
    plain_step = eager_step(build_optimizer(subject, plain))
    for factor in (0.01, -1.0, 0.5):  # a sign is seen where a size is normalised away
        clear(clipped)
        torch.stack(losses(clipped)).sum().backward()  # type: ignore[no-untyped-call] # torch's own
        set_gradients(plain, [gradient * factor for gradient in gradients_of(plain)])
        for parameter in clipped.values():
            assert parameter.grad is not None  # noqa: S101 # backward was just called
            parameter.grad.mul_(factor)
        clipped_step()
        plain_step()
        promise = "the update of the gradient that was clipped"
        expect_same_weights(clipped, values_of(plain), promise)


def parameters_without_gradient_are_left_alone(subject: Subject) -> None:
    """A parameter whose gradient is None stays as it is, whatever it had before."""
    for warm in (0, 1):
        for name in SHAPES:
            weights = draw_parameters()
            optimizer = build_optimizer(subject, weights)
            descend(optimizer, weights, warm)
            set_gradients(weights, gradients_of(weights))
            weights[name].grad, before = None, weights[name].detach().clone()
            eager_step(optimizer)()
            expect(weights[name].equal(before), f"{name} without gradient to stay", "it changed")
            _expect_others_to_go_on(subject, weights, name, warm)
    clear(weights)
    eager_step(optimizer)()


def only_weights_change(subject: Subject) -> None:
    """A step leaves the gradients as they are: the same tensors with the same values."""
    weights = draw_parameters()
    optimizer = build_optimizer(subject, weights)
    for _ in range(HALF):
        gradients = gradients_of(weights)
        set_gradients(weights, gradients)
        before = [gradient.clone() for gradient in gradients]
        eager_step(optimizer)()
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
    gradients = gradients_of(other)
    gradients[list(SHAPES).index(name)].zero_()
    set_gradients(other, gradients)
    eager_step(optimizer)()
    rest = {key: parameter for key, parameter in weights.items() if key != name}
    expected = [parameter.detach() for key, parameter in other.items() if key != name]
    expect_near_weights(rest, expected, f"all but {name}, without gradient, to go on as before")


def gradients_may_be_any_numbers(subject: Subject) -> None:
    """Weights stay finite with gradients of zeros, with small and large ones, and equal ones."""
    for factor in (0.0, 1e-12, 1.0, 1e6):
        weights = draw_parameters()
        optimizer = build_optimizer(subject, weights)
        gradients = [gradient * factor for gradient in gradients_of(weights)]
        for _ in range(MANY_STEPS):
            set_gradients(weights, [gradient.clone() for gradient in gradients])
            eager_step(optimizer)()
        bad = [name for name, p in weights.items() if not p.isfinite().all()]
        promise = f"finite weights after {MANY_STEPS} times the gradient times {factor:g}"
        expect(not bad, promise, f"not for {', '.join(bad)}")


def gradients_may_be_written_in_place(subject: Subject) -> None:
    """The tensors of gradients may be the same in every step, with new values."""
    kept, plain = draw_parameters(), draw_parameters()
    optimizers = build_optimizer(subject, kept), build_optimizer(subject, plain)
    set_gradients(kept, gradients_of(kept))
    for _ in range(STEPS):
        for parameter, gradient in zip(kept.values(), gradients_of(kept), strict=True):
            parameter.grad.copy_(gradient)  # type: ignore[union-attr] # it was just set
        eager_step(optimizers[0])()
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
    for _ in range(STEPS):
        gradients = gradients_of(turned)
        for parameter, gradient in zip(turned.values(), gradients, strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(gradient)  # as `backward` lays it
        try:
            eager_step(turned_optimizer)()
        except RuntimeError as error:  # torch's, of a view
            expect(False, promise, error)
        descend(optimizer, plain)
        expect_near_weights(turned, values_of(plain), promise)
