"""Weights that are evaluated in place of those that are trained: a running average, a mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from seqlab.training.local_part import local_part


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

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "tensors": self.tensors}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.updates = state["updates"]
        for name, tensor in state["tensors"].items():
            local_part(self.tensors[name]).copy_(local_part(tensor))

    @torch.no_grad()
    def update(self, finite: Tensor | None = None) -> None:
        """Add the current weights, unless `finite`, a bool on their device, is false."""
        self.updates += 1
        share = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        averages, live = self._parts(self.tensors), self._parts(self._live)
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
        for live, averaged in zip(self._parts(self._live), self._parts(self.tensors), strict=True):
            weights = live.clone()
            live.copy_(averaged)
            averaged.copy_(weights)

    @staticmethod
    def _parts(tensors: Mapping[str, Tensor]) -> list[Tensor]:
        return [local_part(tensor) for tensor in tensors.values()]


@contextmanager
def in_eval_mode(optimizer: Any, parameters: Sequence[Tensor]) -> Iterator[None]:
    """Put an optimizer that has modes into `eval()` inside the block, then into `train()`.

    Its way there and back may round, so the trained weights are kept: all bits are as they were.
    """
    trained = [local_part(parameter.detach()).clone() for parameter in parameters]
    optimizer.eval()
    try:
        yield
    finally:
        optimizer.train()
        with torch.no_grad():
            torch._foreach_copy_([local_part(p) for p in parameters], trained)


def _floating(model: nn.Module) -> dict[str, Tensor]:
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
