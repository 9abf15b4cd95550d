"""Weights that are evaluated in place of those that are trained: a running average, a mode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """An exponential moving average of a model's parameters and floating buffers.

    Polyak and Juditsky, 1992. At update n the decay is min(decay, (1 + n) / (10 + n)), so that
    the first weights are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._live = _floating(model)
        self.tensors = {name: tensor.detach().clone() for name, tensor in self._live.items()}

    @torch.no_grad()
    def update(self, finite: Tensor | None = None) -> None:
        """Add the current weights, unless `finite`, a bool on their device, is false."""
        self.updates += 1
        share = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        averages, live = list(self.tensors.values()), list(self._live.values())
        if finite is None:
            torch._foreach_lerp_(averages, live, share)
            return
        changes = torch._foreach_mul(torch._foreach_sub(live, averages), share)
        # Selected, not multiplied: 0 * NaN is NaN.
        torch._foreach_add_(averages, [torch.where(finite, change, 0) for change in changes])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the model the averaged weights inside the block."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        """Exchange values, not tensors: CUDA graphs hold the addresses of the model's."""
        for name, live in self._live.items():
            weights = live.clone()
            live.copy_(self.tensors[name])
            self.tensors[name].copy_(weights)


@contextmanager
def in_eval_mode(optimizer: Any, parameters: Sequence[Tensor]) -> Iterator[None]:
    """Put an optimizer that has modes into `eval()` inside the block, then into `train()`.

    Its way there and back may round, so the trained weights are kept: all bits are as they were.
    """
    trained = [parameter.detach().clone() for parameter in parameters]
    optimizer.eval()
    try:
        yield
    finally:
        optimizer.train()
        with torch.no_grad():
            torch._foreach_copy_(list(parameters), trained)


def _floating(model: nn.Module) -> dict[str, Tensor]:
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
