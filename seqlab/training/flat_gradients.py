"""The gradients of all parameters as one flat tensor of each dtype, to be added and sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class HeldGradients(Protocol):
    """Gradients of parameters while those of a step are added."""

    def clear(self) -> None:
        """Prepare for the gradients of the next window."""

    def take(self) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return those of a window that are to be added, and of which parameters: (P,) float64."""

    def zeros(self) -> tuple[Tensor, ...]:
        """Return those of no window."""

    def put(self, flat: Sequence[Tensor], has: Tensor) -> None:
        """Leave the sums in the parameters."""


class FlatGradients:
    """Takes gradients out of parameters, and puts them back.

    Args:
        parameters: P of them, which get gradients.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = list(parameters)
        dtypes = dict.fromkeys(p.dtype for p in self._parameters)
        self._groups = [[p for p in self._parameters if p.dtype == dtype] for dtype in dtypes]

    def clear(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    def take(self) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return the gradients, zeros where there are none, and which there are: (P,) float64."""
        flat = tuple(torch.cat([_gradient(p) for p in group]) for group in self._groups)
        has = [float(p.grad is not None) for p in self._parameters]
        return flat, torch.tensor(has, dtype=torch.float64)

    def zeros(self) -> tuple[Tensor, ...]:
        """The gradients of nothing."""
        return tuple(group[0].new_zeros(sum(p.numel() for p in group)) for group in self._groups)

    def put(self, flat: Sequence[Tensor], has: Tensor) -> None:
        """Give each parameter its gradient, a view of its part, or None where nobody had one."""
        for group, tensor in zip(self._groups, flat, strict=True):
            parts = torch.split(tensor, [p.numel() for p in group])
            for parameter, part in zip(group, parts, strict=True):
                parameter.grad = part.view_as(parameter)
        for parameter, some in zip(self._parameters, has.tolist(), strict=True):
            if not some:
                parameter.grad = None


def _gradient(parameter: Tensor) -> Tensor:
    if parameter.grad is None:
        return parameter.new_zeros(parameter.numel())
    return parameter.grad.detach().reshape(-1)
