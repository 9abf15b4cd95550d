"""A cell whose inputs enter by one projection, which is computed for a whole window at once.

Shapes: B rows, T window, I input size, H hidden size, G H the size of a projected input.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqlab.kernels import one_hot_linear


class Projected(nn.Module, ABC):
    """A recurrence of steps over x_t = W input_t + b; the state is a tensor, or a tuple of these.

    A subclass has one step. Its state begins with h, the output, (B, H); all parts of it are as
    large.
    """

    state_parts = 1

    def __init__(self, input_size: int, hidden_size: int, gates: int) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.project = nn.Linear(input_size, gates * hidden_size)

    @abstractmethod
    def step(self, x: Tensor, state: Any) -> Any:
        """Return the state after a step, given x (B, G H) and the state before."""

    def forward(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        x = functional.linear(inputs, self.project.weight, self.project.bias)
        return self._window(x, state)

    def from_ids(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        """As for one-hot vectors: W times the one-hot vector of i is column i of W."""
        return self._window(one_hot_linear(self.project.weight, self.project.bias, ids), state)

    def last_output(self, state: Any) -> Tensor:
        """Return h, (B, H)."""
        h: Tensor = state[0] if self.state_parts > 1 else state
        return h

    def _window(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Take all steps of x (B, T, G H)."""
        if state is None:
            zeros = self.project.weight.new_zeros(len(x), self.output_size)
            state = (zeros,) * self.state_parts if self.state_parts > 1 else zeros
        outputs = []
        for x_t in x.to(self.project.weight.dtype).unbind(1):
            state = self.step(x_t, state)
            outputs.append(self.last_output(state))
        return torch.stack(outputs, 1), state
