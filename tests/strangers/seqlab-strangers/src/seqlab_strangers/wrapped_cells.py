"""Cells around any other cell. Shapes: B rows, T window, I input size, O output size."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import seqlab

SEQLAB_API = 2
GRU = seqlab.component("gru", hidden_size=64)


class Zoneout(nn.Module):
    """A cell whose states keep some of their values: Krueger et al., 2017, arXiv:1606.01305.

    Args:
        inner: the cell.
        share: of the values of a state that stay as they were, at each step of training; in
            evaluation each value stays to this share.
    """

    def __init__(
        self, input_size: int, *, inner: seqlab.CellFactory = GRU, share: seqlab.Share = 0.1
    ) -> None:
        super().__init__()
        self.inner, self.share = inner(input_size), share
        self.output_size = self.inner.output_size

    def forward(self, inputs: Tensor, state: seqlab.State | None) -> tuple[Tensor, seqlab.State]:
        outputs = []
        for step_input in inputs.split(1, 1):  # (B, 1, I)
            output, after = self.inner(step_input, state)
            if state is None:
                state = seqlab.map_state(torch.zeros_like, after)
            state = self._zoned(state, after)
            outputs.append(output)
        return torch.cat(outputs, 1), state

    def _zoned(self, before: seqlab.State, after: seqlab.State) -> seqlab.State:
        if isinstance(after, tuple):
            return tuple(map(self._zoned, before, after))
        if not after.is_floating_point():
            return after
        if not self.training:
            return after + self.share * (before - after)
        stays = torch.rand(after.shape, device=after.device) < self.share
        return torch.where(stays, before, after)


class WeightDrop(nn.Module):
    """A cell whose weights drop out, the same for a whole window: Merity et al., 2018.

    "Regularizing and optimizing LSTM language models", arXiv:1708.02182.

    Args:
        inner: the cell.
        share: of the weights that are zero in training.
        match: patterns of the names of the matrices in the cell that drop out.
    """

    def __init__(
        self,
        input_size: int,
        *,
        inner: seqlab.CellFactory = GRU,
        share: seqlab.Share = 0.2,
        match: list[str] = ["*"],  # noqa: B006 # nobody changes it
    ) -> None:
        super().__init__()
        self.inner, self.share = inner(input_size), share
        self.output_size = self.inner.output_size
        self.names = [
            name
            for name, weight in self.inner.named_parameters()
            if weight.dim() > 1 and any(fnmatchcase(name, pattern) for pattern in match)
        ]
        if not self.names:
            raise ValueError(f"match: no matrix of the cell has a name like {', '.join(match)}")

    def forward(self, inputs: Tensor, state: seqlab.State | None) -> Any:
        if not self.training:
            return self.inner(inputs, state)
        weights = dict(self.inner.named_parameters())
        dropped = {name: functional.dropout(weights[name], self.share) for name in self.names}
        return torch.func.functional_call(self.inner, dropped, (inputs, state))


class Highway(nn.Module):
    """A cell past which some of its inputs go: Srivastava et al., 2015, arXiv:1505.00387.

    Args:
        inner: the cell; where its outputs have another size, the inputs are projected to it.
        bias: of the gate at the start; below 0 more of the inputs goes past.
    """

    def __init__(
        self, input_size: int, *, inner: seqlab.CellFactory = GRU, bias: float = -1.0
    ) -> None:
        super().__init__()
        self.inner = inner(input_size)
        self.output_size = size = self.inner.output_size
        self.gate = nn.Linear(input_size, size)
        nn.init.constant_(self.gate.bias, bias)
        same = input_size == size
        self.past = nn.Identity() if same else nn.Linear(input_size, size, bias=False)

    def forward(self, inputs: Tensor, state: seqlab.State | None) -> tuple[Tensor, seqlab.State]:
        outputs, state = self.inner(inputs, state)
        past = self.past(inputs)
        return past + self.gate(inputs).sigmoid() * (outputs - past), state


@seqlab.hookimpl
def seqlab_register_cells() -> dict[str, type[nn.Module]]:
    return {"zoned": Zoneout, "dropped_weights": WeightDrop, "highway": Highway}
