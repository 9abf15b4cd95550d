"""Recurrences. Shapes: B rows, T window, I input size, H hidden size."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

import seqlab
from seqlab.kernels import linear_scan

SEQLAB_API = 2
MAX_CYCLE = 1 << 24  # float32 has every whole number up to it
Periods = Annotated[list[seqlab.Count], Field(min_length=1, max_length=64)]


class Clockwork(nn.Module):
    """Groups of units, each with a clock of its own: Koutnik et al., 2014, arXiv:1402.3511.

    Args:
        hidden_size: H, all units together.
        periods: after how many steps each group computes; it reads groups that are as slow or
            slower.
    """

    clocks: Tensor
    readable: Tensor

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: seqlab.Count = 64,
        periods: Periods = [1, 2, 4, 8],  # noqa: B006 # nobody changes it
    ) -> None:
        super().__init__()
        if hidden_size % len(periods):
            raise ValueError(f"hidden_size {hidden_size} has no {len(periods)} groups of one size")
        self.cycle = math.lcm(*periods)
        if self.cycle > MAX_CYCLE:
            raise ValueError(
                f"the periods {periods} tick together after {self.cycle:,} steps; a state can count"
                f" {MAX_CYCLE:,}"
            )
        self.output_size = hidden_size
        self.state_shape = ((hidden_size,), (1,))  # the units, and the steps modulo all periods
        clocks = torch.tensor(periods).repeat_interleave(hidden_size // len(periods))
        self.register_buffer("clocks", clocks, persistent=False)
        readable = clocks[:, None] <= clocks  # (H, H)
        self.register_buffer("readable", readable, persistent=False)
        self.inputs = nn.Linear(input_size, hidden_size)
        self.hidden = nn.Parameter(torch.empty(hidden_size, hidden_size))
        nn.init.orthogonal_(self.hidden)

    @seqlab.unroll
    def forward(
        self, inputs: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        units, step = state  # (B, H), (B, 1)
        weights = self.hidden.masked_fill(~self.readable, 0.0)
        values = (self.inputs(inputs) + functional.linear(units, weights)).tanh()
        units = torch.where(step % self.clocks == 0, values, units)
        return units, (units, (step + 1) % self.cycle)


class SLSTM(nn.Module):
    """An LSTM with exponential gates, the sLSTM of xLSTM: Beck et al., 2024, arXiv:2405.04517.

    Args:
        hidden_size: H.
    """

    def __init__(self, input_size: int, *, hidden_size: seqlab.Count = 64) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.state_shape = ((hidden_size,),) * 4  # h, c, the normaliser n, the stabiliser m
        self.inputs = nn.Linear(input_size, 4 * hidden_size)
        self.hidden = nn.Linear(hidden_size, 4 * hidden_size, bias=False)

    @seqlab.unroll
    def forward(self, inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple]:
        h, c, n, m = state
        gates = (self.inputs(inputs) + self.hidden(h)).to(h.dtype)
        z, i, f, o = gates.chunk(4, -1)
        decay = functional.logsigmoid(f) + m
        m = torch.where(n == 0, i, torch.maximum(decay, i))  # n is 0 in a fresh row alone
        forget, write = (decay - m).clamp(max=0).exp(), (i - m).clamp(max=0).exp()
        c, n = forget * c + write * z.tanh(), forget * n + write
        h = o.sigmoid() * c / n.clamp(min=1)
        return h, (h, c, n, m)


class QRNN(nn.Module):
    """Gates by a convolution, and a recurrence of units alone: Bradbury et al., 2017.

    "Quasi-recurrent neural networks", arXiv:1611.01576, with pooling "fo".

    Args:
        hidden_size: H.
        width: how many inputs the convolution reads, the present one included.
    """

    def __init__(
        self, input_size: int, *, hidden_size: seqlab.Count = 64, width: seqlab.Count = 2
    ) -> None:
        super().__init__()
        self.output_size, self.width = hidden_size, width
        self.gates = nn.Conv1d(input_size, 3 * hidden_size, width)

    def forward(
        self, inputs: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        rows = len(inputs)
        if state is None:
            past = inputs.new_zeros(rows, self.width - 1, inputs.shape[-1])
            state = past, inputs.new_zeros(rows, self.output_size)
        past, carried = state
        read = torch.cat((past, inputs), 1)  # (B, width - 1 + T, I)
        gates = self.gates(read.transpose(1, 2)).transpose(1, 2).to(carried.dtype)  # (B, T, 3 H)
        candidate, forget, output = gates.chunk(3, -1)
        keep = forget.sigmoid()
        units = linear_scan(keep, (1 - keep) * candidate.tanh(), carried)
        after = read[:, read.shape[1] - (self.width - 1) :].clone()
        return output.sigmoid() * units, (after, units[:, -1].clone())


@seqlab.hookimpl
def seqlab_register_cells() -> dict[str, type[nn.Module]]:
    return {"clockwork": Clockwork, "stabilised_lstm": SLSTM, "gated_convolution": QRNN}
