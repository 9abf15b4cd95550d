"""A running average of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """An exponential moving average of a model's parameters and floating buffers.

    Polyak and Juditsky, 1992. The decay rises to its value, min(decay, (1 + n) / (10 + n)) at the
    n-th update, so that the first weights are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._live = _floating(model)
        self.tensors = {name: tensor.detach().clone() for name, tensor in self._live.items()}

    @torch.no_grad()
    def update(self, taken: Tensor | None = None) -> None:
        """Take in the weights as they are now.

        Args:
            taken: a bool on their device, which is not read: false leaves the average as it is.
        """
        self.updates += 1
        share = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        averages, live = list(self.tensors.values()), list(self._live.values())
        if taken is None:
            torch._foreach_lerp_(averages, live, share)
            return
        changes = torch._foreach_mul(torch._foreach_sub(live, averages), share)
        # Selected, not multiplied: what is not a number would survive that.
        torch._foreach_add_(averages, [torch.where(taken, change, 0) for change in changes])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the averaged weights for a while."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        """Exchange values, not tensors: kernels and recordings know where the model's are."""
        for name, live in self._live.items():
            kept = live.clone()
            live.copy_(self.tensors[name])
            self.tensors[name].copy_(kept)


def _floating(model: nn.Module) -> dict[str, Tensor]:
    everything = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor for name, tensor in everything.items() if tensor.is_floating_point()}
