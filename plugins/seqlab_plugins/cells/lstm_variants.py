"""Long short-term memories with something more. Shapes: B rows, I input size, H hidden size."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

import seqlab
from seqlab import Cell, Count, hookimpl
from seqlab_plugins.cells.projected import Projected

HC = tuple[Tensor, Tensor]


class LayerNormLSTM(Projected):
    """An LSTM with normalised sums: Ba et al., 2016, arXiv:1607.06450.

        i, f, g, o = N(W x) + N(U h) + b, each N with gains of its own
        c' = sigmoid(f) c + sigmoid(i) tanh(g)
        h' = sigmoid(o) tanh(N(c'))

    The state is (h, c), each (B, H).

    Args:
        hidden_size: H.
    """

    state_parts = 2

    def __init__(self, input_size: int, *, hidden_size: Count = 256) -> None:
        super().__init__(input_size, hidden_size, 4)
        self.recurrent = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.norm_inputs = nn.LayerNorm(4 * hidden_size, bias=False)
        self.norm_recurrent = nn.LayerNorm(4 * hidden_size)
        self.norm_memory = nn.LayerNorm(hidden_size)

    def step(self, x: Tensor, state: HC) -> HC:
        h, c = state
        gates = self.norm_inputs(x) + self.norm_recurrent(self.recurrent(h))
        i, f, g, o = gates.chunk(4, -1)  # (B, H) each
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * self.norm_memory(c).tanh(), c


class PeepholeLSTM(Projected):
    """An LSTM whose gates see the memory: Gers and Schmidhuber, 2000, "Recurrent nets that time".

        i, f = sigmoid(W x + b + U h + p c), twice
        c' = f c + i tanh(W_g x + b_g + U_g h)
        h' = sigmoid(W_o x + b_o + U_o h + p_o c') tanh(c')

    The state is (h, c), each (B, H).

    Args:
        hidden_size: H.
    """

    state_parts = 2

    def __init__(self, input_size: int, *, hidden_size: Count = 256) -> None:
        super().__init__(input_size, hidden_size, 4)
        self.recurrent = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.peepholes = nn.Parameter(torch.empty(3, hidden_size).uniform_(-0.1, 0.1))  # i, f, o

    def step(self, x: Tensor, state: HC) -> HC:
        h, c = state
        p_i, p_f, p_o = self.peepholes
        i, f, g, o = (x + self.recurrent(h)).chunk(4, -1)  # (B, H) each
        c = (f + p_f * c).sigmoid() * c + (i + p_i * c).sigmoid() * g.tanh()
        return (o + p_o * c).sigmoid() * c.tanh(), c


class MultiplicativeLSTM(Projected):
    """An LSTM with another recurrent matrix for each input: Krause et al., 2016, arXiv:1609.07959.

        m = (W_m x + b_m) (U_m h)
        i, f, g, o = W x + b + U m
        c' = sigmoid(f) c + sigmoid(i) tanh(g)
        h' = sigmoid(o) tanh(c')

    The state is (h, c), each (B, H).

    Args:
        hidden_size: H.
    """

    state_parts = 2

    def __init__(self, input_size: int, *, hidden_size: Count = 256) -> None:
        super().__init__(input_size, hidden_size, 5)
        self.factor = nn.Linear(hidden_size, hidden_size, bias=False)
        self.recurrent = nn.Linear(hidden_size, 4 * hidden_size, bias=False)

    def step(self, x: Tensor, state: HC) -> HC:
        h, c = state
        x_m, x_gates = x[:, : self.output_size], x[:, self.output_size :]
        i, f, g, o = (x_gates + self.recurrent(x_m * self.factor(h))).chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


class MogrifierLSTM(nn.Module):
    """An LSTM before whose step input and state change each other: Melis et al., 2020.

        x = 2 sigmoid(Q_r h) x in rounds 1, 3, ..., h = 2 sigmoid(R_r x) h in rounds 2, 4, ...

    and then a step of an LSTM with these; arXiv:1909.01792. The state is (h, c), each (B, H).

    Args:
        hidden_size: H.
        rounds: how many there are.
        rank: Q and R are products of two matrices of this rank; null: each is one matrix.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        rounds: Annotated[int, Field(ge=0, le=100)] = 5,
        rank: Count | None = None,
    ) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.state_shape = ((hidden_size,), (hidden_size,))
        self.inputs = nn.Linear(input_size, 4 * hidden_size)
        self.recurrent = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        sizes = [(hidden_size, input_size), (input_size, hidden_size)]  # of Q, of R
        self.rounds = nn.ModuleList(_matrix(*sizes[number % 2], rank) for number in range(rounds))

    @seqlab.unroll
    def forward(self, x: Tensor, state: HC) -> tuple[Tensor, HC]:
        h, c = state
        for number, matrix in enumerate(self.rounds):
            if number % 2 == 0:
                x = 2 * matrix(h).sigmoid() * x
            else:
                h = 2 * matrix(x).sigmoid() * h
        i, f, g, o = (self.inputs(x) + self.recurrent(h)).chunk(4, -1)  # (B, H) each
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        return h, (h, c)

    def last_output(self, state: HC) -> Tensor:
        """Return h."""
        return state[0]


def _matrix(columns: int, rows: int, rank: int | None) -> nn.Module:
    """A map from vectors of `columns` numbers to vectors of `rows`, without a bias."""
    if rank is None:
        return nn.Linear(columns, rows, bias=False)
    return nn.Sequential(nn.Linear(columns, rank, bias=False), nn.Linear(rank, rows, bias=False))


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {
        "layer_norm_lstm": LayerNormLSTM,
        "peephole_lstm": PeepholeLSTM,
        "multiplicative_lstm": MultiplicativeLSTM,
        "mogrifier_lstm": MogrifierLSTM,
    }
