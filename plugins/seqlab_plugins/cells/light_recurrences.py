"""Recurrences in which each number of a state sees only itself, and a deep one.

Shapes: B rows, T window, I input size, H hidden size, K width of a filter.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from seqlab import Cell, Count, State, hookimpl
from seqlab.kernels import condition, linear_scan
from seqlab_plugins.cells.projected import Projected

Bias = Annotated[float, Field(allow_inf_nan=False)]


class RecurrentHighway(Projected):
    """Several highway layers in each step: Zilly et al., 2017, arXiv:1607.03474.

        s = t tanh(R_h s + b_h) + (1 - t) s, t = sigmoid(R_t s + b_t)

    for each layer, with W_h x and W_t x added in the first one. The state is the last s, (B, H).
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        depth: Annotated[int, Field(gt=0, le=100)] = 5,
        transform_bias: Bias = -2.0,
    ) -> None:
        """Make the layers.

        Args:
            input_size: I.
            hidden_size: H.
            depth: how many highway layers a step has.
            transform_bias: b_t at the start; below 0 most of s is carried on.
        """
        super().__init__(input_size, hidden_size, 2)
        layers = [nn.Linear(hidden_size, 2 * hidden_size) for _ in range(depth)]
        for layer in layers:
            nn.init.constant_(layer.bias[hidden_size:], transform_bias)
        self.layers = nn.ModuleList(layers)

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            sums = layer(state) + x if number == 0 else layer(state)
            change, gate = sums.chunk(2, -1)  # (B, H) each
            gate = gate.sigmoid()
            state = gate * change.tanh() + (1 - gate) * state
        return state


class IndRNN(Projected):
    """Each number of the state has a weight of its own: Li et al., 2018, arXiv:1803.04831.

        h' = relu(W x + b + u h), where u h is number by number

    The state is h, (B, H).
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        activation: Literal["relu", "tanh"] = "relu",
    ) -> None:
        """Draw u between 0 and 1, as the paper does.

        Args:
            input_size: I.
            hidden_size: H.
            activation: in place of relu, tanh.
        """
        super().__init__(input_size, hidden_size, 1)
        self.recurrent = nn.Parameter(torch.empty(hidden_size).uniform_())
        self.activation = getattr(torch, activation)

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        h: Tensor = self.activation(x + self.recurrent * state)
        return h


class SRU(nn.Module):
    """The simple recurrent unit: Lei et al., 2018, arXiv:1709.02755.

        f = sigmoid(W_f x + v_f c + b_f), r = sigmoid(W_r x + v_r c + b_r)
        c' = f c + (1 - f) W x
        h  = r c' + (1 - r) a x, with a = sqrt(1 + 2 exp(b_r at the start))

    Products with v are number by number; where I is not H, x is projected in the last line. The
    outputs are h; the state is c, (B, H).
    """

    def __init__(
        self, input_size: int, *, hidden_size: Count = 256, highway_bias: Bias = 0.0
    ) -> None:
        """Make the projections as one.

        Args:
            input_size: I.
            hidden_size: H.
            highway_bias: b_r at the start; below 0 more of x goes past.
        """
        super().__init__()
        self.output_size, same = hidden_size, input_size == hidden_size
        self.project = nn.Linear(input_size, (3 if same else 4) * hidden_size, bias=False)
        self.peepholes = nn.Parameter(torch.empty(2, hidden_size).uniform_(-0.1, 0.1))
        self.bias = nn.Parameter(torch.zeros(2, hidden_size))
        nn.init.constant_(self.bias[1], highway_bias)
        self.scale = math.sqrt(1 + 2 * math.exp(highway_bias))

    def forward(self, inputs: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        if state is None:
            state = self.bias.new_zeros(inputs.shape[0], self.output_size)
        x, x_f, x_r, *own = (
            self.project(inputs)
            .to(self.bias.dtype)
            .chunk(self.project.out_features // self.output_size, -1)
        )
        past = self.scale * (own[0] if own else inputs)
        (v_f, v_r), (b_f, b_r) = self.peepholes, self.bias
        c, outputs = state, []
        for t in range(inputs.shape[1]):
            f = (x_f[:, t] + v_f * c + b_f).sigmoid()
            r = (x_r[:, t] + v_r * c + b_r).sigmoid()
            c = f * c + (1 - f) * x[:, t]
            outputs.append(r * c + (1 - r) * past[:, t])
        return torch.stack(outputs, 1), c


class QRNN(nn.Module):
    """Convolutions, and a memory that is one scan of a window: Bradbury et al., 2017.

        z = tanh(W_z * x), f = sigmoid(W_f * x), o = sigmoid(W_o * x)
        c' = f c + (1 - f) z, h = o c'

    "*" is a convolution over the last K inputs; arXiv:1611.01576 ("fo-pooling"). The outputs are h;
    the state is the last K - 1 inputs, (B, K - 1, I), and c, (B, H); with K = 1 it is c alone.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        width: Annotated[int, Field(gt=0, le=2**10)] = 2,
    ) -> None:
        """Make the filters as one.

        Args:
            input_size: I.
            hidden_size: H.
            width: K, how many inputs a filter sees, the current one included.
        """
        super().__init__()
        self.output_size, self.width = hidden_size, width
        self.convolution = nn.Conv1d(input_size, 3 * hidden_size, width)

    condition_here = staticmethod(condition)

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        weight = self.convolution.weight
        recent = inputs.new_zeros(inputs.shape[0], self.width - 1, inputs.shape[-1]).to(
            weight.dtype
        )
        memory = weight.new_zeros(inputs.shape[0], self.output_size)
        if isinstance(state, tuple):
            recent, memory = state  # type: ignore[assignment] # tensors, as given below
        elif state is not None:
            memory = state
        seen = torch.cat((recent, inputs.to(recent.dtype)), 1)  # (B, K - 1 + T, I)
        z, f, o = self.convolution(seen.mT).mT.to(weight.dtype).chunk(3, -1)  # (B, T, H) each
        f = f.sigmoid()
        memories = linear_scan(f, (1 - f) * z.tanh(), memory)
        last = memories[:, -1].clone()  # a view would keep the whole window in memory
        outputs = o.sigmoid() * memories
        if self.width == 1:
            return outputs, last
        return outputs, (seen[:, 1 - self.width :], last)


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"recurrent_highway": RecurrentHighway, "ind_rnn": IndRNN, "sru": SRU, "qrnn": QRNN}
