"""Norms of each parameter, its gradient and its update, for observers that ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seqlab.records import Norms
from seqlab.training.device import HostCopy


@dataclass(frozen=True)
class NormsOfStep:
    """The norms of one step: rows of parameters, gradients and updates, (3, P); read when asked."""

    names: Sequence[str]
    values: HostCopy

    def read(self) -> dict[str, Norms]:
        columns = self.values.read().t().tolist()
        return {name: Norms(*column) for name, column in zip(self.names, columns, strict=True)}


class BeforeStep:
    """A copy of the weights before a step, to measure how far it goes."""

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self._parameters = parameters
        self._copies = [p.detach().clone() for p in parameters.values()]

    @torch.no_grad()
    def norms(self, gradients: Tensor | None) -> NormsOfStep:
        """Return the norms after the step, given those of the gradients, (P,)."""
        assert gradients is not None  # noqa: S101 # they were measured too
        weights = [p.detach() for p in self._parameters.values()]
        updates = torch._foreach_sub(weights, self._copies)
        rows = torch.stack((norms_of(weights), gradients, norms_of(updates)))
        return NormsOfStep(list(self._parameters), HostCopy(rows))


def norms_of(tensors: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    """Return the L2 norm of each tensor, (P,) in float64."""
    return torch.stack([norm.double() for norm in torch._foreach_norm(tensors)])
