"""What a recipe gives in training, and what a slow reference of its paper gives, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

STEPS, RATE = 20, 0.1

Loss = Callable[[int], Tensor]


def losses(loss: Loss, parameters: Iterable[Tensor]) -> list[float]:
    """Train with plain steps, and return the loss of each."""
    weights, found = list(parameters), []
    for step in range(STEPS):
        value = loss(step)
        found.append(float(value.detach()))
        gradients = torch.autograd.grad(value, weights, allow_unused=True, materialize_grads=True)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.data.sub_(gradient, alpha=RATE)
    return found


def copies(module: nn.Module) -> dict[str, Tensor]:
    """The parameters of a module for a reference to train."""
    return {n: p.detach().clone().requires_grad_() for n, p in module.named_parameters()}


def drawn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def mask(*shape: int, share: float, seed: int) -> Tensor:
    """Zeros to this share, and else 1 / (1 - share)."""
    generator = torch.Generator().manual_seed(seed)
    kept = torch.rand(shape, generator=generator, dtype=torch.float64) >= share
    return kept / (1 - share)
