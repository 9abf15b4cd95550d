"""Recurrent cells on torch's fused layers.

Shapes: B rows, T window, I input size, H hidden size, G gates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, cast

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn
from torch.nn import functional

from seqlab import Cell, State, hookimpl, map_state

Count = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


def _causal(bidirectional: bool) -> bool:
    if bidirectional:
        raise ValueError(
            "false: a cell that reads backwards has seen the token that it should predict"
        )
    return bidirectional


OneDirection = Annotated[bool, AfterValidator(_causal)]


class Recurrent(nn.Module, ABC):
    """What `rnn`, `lstm` and `gru` share: a stack of fused layers, dropout between them.

    The state is a tuple with one entry a layer.
    """

    fused: ClassVar[Callable[..., nn.RNNBase]]

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        num_layers: Count = 1,
        dropout: Share = 0.0,
        bidirectional: OneDirection = False,
    ) -> None:
        """Stack the layers.

        Args:
            input_size: I.
            hidden_size: H, the size of the outputs and of each part of the state.
            num_layers: how many layers are stacked in the cell.
            dropout: share of the outputs between layers that is zeroed in training.
            bidirectional: refused; a language model reads forward only.
        """
        super().__init__()
        _causal(bidirectional)
        self.output_size = hidden_size
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(
            self.fused(size, hidden_size, batch_first=True) for size in sizes
        )
        self.dropout = nn.Dropout(dropout)

    @abstractmethod
    def step(self, projected: Tensor, state: Any, recurrent: Tensor) -> Any:
        """Take one step from W x + b_W and U h + b_U, both (B, G H), in torch's order of gates."""

    @abstractmethod
    def fresh(self, hidden: Tensor) -> Any:
        """Return a state of zeros, made from zeros (B, H)."""

    def output(self, state: Any) -> Tensor:
        """Return the part of a state that is the output: (B, H)."""
        return cast("Tensor", state)

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        outputs, after = _run(self.layers[0], inputs, state[0] if state is not None else None)
        return self._above(outputs, after, state)

    def from_ids(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Equal one-hots: W times the one-hot of i is column i of W, so it is gathered."""
        if ids.shape[1] == 1 and state is not None:
            return self._one_id(ids[:, 0], state)
        weight, recurrent, bias_in, bias = self.layers[0].parameters()
        projected = functional.embedding(ids, weight.t()) + bias_in  # (B, T, G H)
        now = state[0] if state is not None else self._fresh(projected)
        transposed = recurrent.t()
        outputs = []
        for one in projected.unbind(1):
            now = self.step(one, now, torch.addmm(bias, self.output(now), transposed))
            outputs.append(self.output(now))
        return self._above(torch.stack(outputs, 1), now, state)

    def _one_id(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """As `from_ids` for one id a row, (B,), with nothing that only a window needs."""
        first: Any = self.layers[0]
        projected = torch.embedding(first.weight_ih_l0.t(), ids) + first.bias_ih_l0  # (B, G H)
        before = self.output(state[0])
        product = torch.addmm(first.bias_hh_l0, before, first.weight_hh_l0.t())
        after = self.step(projected, state[0], product)
        return self._above(self.output(after).unsqueeze(1), after, state)

    def _fresh(self, projected: Tensor) -> State:
        return cast("State", self.fresh(projected.new_zeros(len(projected), self.output_size)))

    def _above(self, outputs: Tensor, first: State, state: State | None) -> tuple[Tensor, State]:
        """Run the layers above the first one, whose outputs and state are given."""
        after = [first]
        for number, layer in enumerate(list(self.layers)[1:], start=1):  # a slice makes modules
            before = state[number] if state is not None else None
            outputs, last = _run(layer, self.dropout(outputs), before)
            after.append(last)
        return outputs, tuple(after)


def _run(layer: nn.Module, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
    """Call a fused layer, which keeps a dimension for layers before that of the batch."""
    packed = None if state is None else map_state(lambda part: part.unsqueeze(0), state)
    outputs, after = layer(inputs, packed)
    return outputs, map_state(lambda part: part.squeeze(0), after)


class RNN(Recurrent):
    """Elman's network: h' = tanh(W x + b_W + U h + b_U). "Finding structure in time", 1990."""

    fused = nn.RNN

    def fresh(self, hidden: Tensor) -> Tensor:
        return hidden

    def step(self, projected: Tensor, state: Tensor, recurrent: Tensor) -> Tensor:
        return (projected + recurrent).tanh()


class GRU(Recurrent):
    """Gated recurrent unit: h' = (1 - z) n + z h. Cho et al., 2014, https://arxiv.org/abs/1406.1078.

    As in torch, the reset gate is applied after the recurrent product.
    """

    fused = nn.GRU

    def fresh(self, hidden: Tensor) -> Tensor:
        return hidden

    def step(self, projected: Tensor, state: Tensor, recurrent: Tensor) -> Tensor:
        reset_in, update_in, new_in = projected.chunk(3, 1)
        reset, update, new = recurrent.chunk(3, 1)
        candidate = (new_in + (reset_in + reset).sigmoid() * new).tanh()
        return candidate.lerp(state, (update_in + update).sigmoid())


class LSTM(Recurrent):
    """Long short-term memory: c' = f c + i g, h' = o tanh(c').

    Hochreiter and Schmidhuber, 1997, with the forget gate of Gers et al., 2000. The state of a
    layer is (h, c), each (B, H).
    """

    fused = nn.LSTM

    def fresh(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return hidden, hidden

    def output(self, state: tuple[Tensor, Tensor]) -> Tensor:
        return state[0]

    def step(
        self, projected: Tensor, state: tuple[Tensor, Tensor], recurrent: Tensor
    ) -> tuple[Tensor, Tensor]:
        into, forget, new, out = (projected + recurrent).chunk(4, 1)
        memory = forget.sigmoid() * state[1] + into.sigmoid() * new.tanh()
        return out.sigmoid() * memory.tanh(), memory


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"rnn": RNN, "lstm": LSTM, "gru": GRU}
