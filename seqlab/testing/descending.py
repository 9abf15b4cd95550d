"""Steps of an optimizer over small parameters, taken as the training loop takes them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Optimizer

from seqlab.testing.parameters import SHAPES, Parameters
from seqlab.testing.promises import expect
from seqlab.training.closure import needs_closure
from seqlab.training.eager_optimizers import eager_step


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


def descend(optimizer: Optimizer, weights: Parameters, steps: int = 1) -> None:
    for _ in range(steps):
        take_step(optimizer, weights, lambda: set_gradients(weights, gradients_of(weights)))


def values_of(weights: Parameters) -> list[Tensor]:
    return [p.detach().clone() for p in weights.values()]


def expect_same(actual: list[Tensor], expected: list[Tensor], promise: str) -> None:
    """Compare parameters to the bit."""
    differences = [
        f"{name} differs by {float((a - b).abs().max()):.1e}"
        for name, a, b in zip(SHAPES, actual, expected, strict=True)
        if not a.equal(b)
    ]
    expect(not differences, promise, ", ".join(differences))


def clear(weights: Parameters) -> None:
    """Remove the gradients, as the training loop does before each step."""
    for parameter in weights.values():
        parameter.grad = None
