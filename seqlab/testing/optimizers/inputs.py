"""Optimizers, what they descend, and the comparison of weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer

from seqlab.testing.parameters import Parameters
from seqlab.testing.promises import Subject, expect
from seqlab.training.closure import needs_closure
from seqlab.training.eager_optimizers import eager_step, spare_compiler

STEPS, HALF = 6, 3
MANY_STEPS = 200
PERIODS = 40  # steps: twice as many as slow weights usually wait, and more

Named: TypeAlias = Mapping[str, Tensor]


def build_optimizer(subject: Subject, weights: Parameters) -> Any:
    spare_compiler()
    optimizer = subject.build(list(weights.items()))
    expect(isinstance(optimizer, Optimizer), "a torch.optim.Optimizer", type(optimizer).__name__)
    return optimizer


def losses(weights: Parameters) -> list[Tensor]:
    """A quadratic for each parameter, which starts at a distance of about 1 from the minimum."""
    return [
        (torch.linspace(0.5, 1, p.shape[-1], dtype=p.dtype) * (p - p.numel() ** -0.5) ** 2).sum()
        for p in weights.values()
    ]


def gradients_of(weights: Parameters) -> list[Tensor]:
    return list(torch.autograd.grad(losses(weights), list(weights.values())))


def set_gradients(weights: Parameters, gradients: list[Tensor]) -> None:
    for parameter, gradient in zip(weights.values(), gradients, strict=True):
        parameter.grad = gradient


def take_step(optimizer: Optimizer, weights: Parameters, evaluate: Callable[[], None]) -> None:
    """Take a step as the training loop takes it.

    `evaluate` leaves gradients; an optimizer that needs a closure calls it, as often as it likes.
    """
    step = eager_step(optimizer)
    if not needs_closure(optimizer):
        evaluate()
        step()
        return

    def closure() -> Tensor:
        with torch.enable_grad():
            evaluate()
            return torch.stack(losses(weights)).sum().detach()

    step(closure)


def descend(optimizer: Optimizer, weights: Parameters, steps: int = 1, factor: float = 1.0) -> None:
    """Take steps with the gradients of the quadratic, times a factor."""
    for _ in range(steps):
        take_step(optimizer, weights, partial(set_scaled, weights, factor))


def set_scaled(weights: Parameters, factor: float = 1.0) -> None:
    set_gradients(weights, [gradient * factor for gradient in gradients_of(weights)])


def values_of(weights: Parameters) -> list[Tensor]:
    return [p.detach().clone() for p in weights.values()]


def differences(weights: Named, expected: list[Tensor]) -> str:
    """What is not the same to the bit, in words; empty: all is."""
    return ", ".join(
        f"{name} differs by {float((actual.detach() - other).abs().max()):.1e}"
        for (name, actual), other in zip(weights.items(), expected, strict=True)
        if not actual.equal(other)
    )


def expect_same_weights(
    weights: Mapping[str, Tensor], expected: list[Tensor], promise: str
) -> None:
    """Compare parameters to the bit."""
    seen = differences(weights, expected)
    expect(not seen, promise, seen)


def expect_near_weights(
    weights: Mapping[str, Tensor], expected: list[Tensor], promise: str
) -> None:
    """Compare parameters within rounding."""
    close = all(
        torch.allclose(actual.detach(), other, rtol=1e-3, atol=1e-5)
        for actual, other in zip(weights.values(), expected, strict=True)
    )
    expect(close, promise, differences(weights, expected))


def clear(weights: Parameters) -> None:
    """Remove the gradients, as the training loop does before each step."""
    for parameter in weights.values():
        parameter.grad = None


def unmoved(weights: Parameters, before: list[Tensor]) -> list[str]:
    pairs = zip(weights.items(), before, strict=True)
    return [name for (name, parameter), old in pairs if parameter.equal(old)]


def set_rates(optimizer: Optimizer, rates: list[float]) -> None:
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
