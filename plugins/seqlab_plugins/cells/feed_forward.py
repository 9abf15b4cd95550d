"""Cells without recurrence, for use between others: an MLP and a short convolution.

Shapes: B rows, T window, I input size, F feed-forward size, K kernel size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from seqlab import Cell, Share, State, hookimpl

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "relu": functional.relu,
    "silu": functional.silu,
}


class MLP(nn.Module):
    """Two linear maps with an activation between them, for each token by itself.

        y = W_2 f(W_1 x + b_1) + b_2
        y = W_2 (silu(W_1 x + b_1) * (V x + c)) + b_2, for `swiglu`: Shazeer, 2020,
            "GLU variants improve Transformer", arXiv:2002.05202

    Outputs have the size of the inputs, and there is no state: it is an empty tuple.
    """

    def __init__(
        self,
        input_size: int,
        *,
        expansion: Annotated[float, Field(gt=0, le=64)] = 4.0,
        activation: Literal["gelu", "relu", "silu", "swiglu"] = "gelu",
        dropout: Share = 0.0,
    ) -> None:
        """Make the maps.

        Args:
            input_size: I.
            expansion: F is this times I.
            activation: f.
            dropout: share of the F values that is set to zero in training.
        """
        super().__init__()
        self.output_size, self.activation = input_size, activation
        size = max(round(expansion * input_size), 1)
        self.up = nn.Linear(input_size, 2 * size if activation == "swiglu" else size)
        self.dropout = nn.Dropout(dropout)
        self.down = nn.Linear(size, input_size)

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        values = self.up(inputs)  # (B, T, F), or (B, T, 2 F)
        if self.activation == "swiglu":
            gate, values = values.chunk(2, -1)
            values = functional.silu(gate) * values
        else:
            values = ACTIVATIONS[self.activation](values)
        return self.down(self.dropout(values)), ()


class ShortConvolution(nn.Module):
    """A causal convolution over the last K inputs, each dimension by itself.

        y_t = f(sum_k w_k x_{t-k} + b), for k from 0 to K - 1; x before the first token is 0

    Outputs have the size of the inputs; the state is the last K - 1 inputs, (B, K - 1, I).
    """

    def __init__(
        self,
        input_size: int,
        *,
        kernel_size: Annotated[int, Field(gt=1, le=1024)] = 4,
        activation: Literal["gelu", "relu", "silu"] | None = "silu",
    ) -> None:
        """Make the kernel.

        Args:
            input_size: I.
            kernel_size: K.
            activation: f; null: none.
        """
        super().__init__()
        self.output_size, self.activation = input_size, activation
        self.convolution = nn.Conv1d(input_size, input_size, kernel_size, groups=input_size)

    def forward(self, inputs: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        before = self.convolution.kernel_size[0] - 1
        if state is None:
            state = inputs.new_zeros(len(inputs), before, inputs.shape[2])
        window = torch.cat([state.to(inputs.dtype), inputs], 1)  # (B, K - 1 + T, I)
        outputs = self.convolution(window.transpose(1, 2)).transpose(1, 2)  # (B, T, I)
        if self.activation:
            outputs = ACTIVATIONS[self.activation](outputs)
        return outputs, window[:, -before:].clone()


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"mlp": MLP, "short_convolution": ShortConvolution}
