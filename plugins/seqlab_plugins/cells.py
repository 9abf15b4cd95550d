"""Recurrent cells with the weights of torch's layers, and on a GPU with their kernels.

Shapes: B rows, T window, I input size, H hidden size, G gates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, TypeAlias, cast

import torch
from pydantic import AfterValidator, Field
from torch import Tensor, nn
from torch.nn import functional

from seqlab import (
    Cell,
    Dropout,
    GreedyWalk,
    IdStep,
    State,
    has_onednn_for,
    hookimpl,
    linear,
    map_state,
    steady_linear,
)
from seqlab_plugins.columns import columns
from seqlab_plugins.cores import condition
from seqlab_plugins.cudnn import run_projected, suits_cudnn
from seqlab_plugins.greedy import greedy_walk
from seqlab_plugins.recurrences import elman, gated, long_short
from seqlab_plugins.steps import elman_step, gated_step, long_short_step, step_of_ids

Count = Annotated[int, Field(gt=0, le=2**20)]
Share = Annotated[float, Field(ge=0, lt=1)]


def _causal(bidirectional: bool) -> bool:
    if bidirectional:
        raise ValueError(
            "false: a cell that reads backwards has seen the token that it should predict"
        )
    return bidirectional


Layer: TypeAlias = Any  # an nn.RNNBase of one layer, whose weights a type checker cannot see
OneDirection = Annotated[bool, AfterValidator(_causal)]


class Recurrent(nn.Module, ABC):
    """What `rnn`, `lstm` and `gru` share: a stack of layers, dropout between them.

    The state is a tuple with one entry a layer.
    """

    fused: ClassVar[Callable[..., nn.RNNBase]]
    take_step: ClassVar[Callable[..., Any]]
    recurrence: ClassVar[str]

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        num_layers: Annotated[int, Field(gt=0, le=1000)] = 1,
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
        if dropout and num_layers == 1:
            raise ValueError(
                "dropout acts between the layers of the cell, and num_layers is 1, so it would do"
                " nothing; model.dropout zeroes what the cell gives"
            )
        self.output_size = hidden_size
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(
            self.fused(size, hidden_size, batch_first=True) for size in sizes
        )
        self.dropout = Dropout(dropout)

    def condition_here(self) -> str:
        return condition()

    @abstractmethod
    def bias(self, layer: Layer) -> Tensor:
        """Return what is added to W x for a whole window, (G H,)."""

    @abstractmethod
    def walk(self, projected: Tensor, state: State | None, layer: Layer) -> tuple[Tensor, State]:
        """From W x with its bias, (T, B, G H), to the outputs (T, B, H) and the state after."""

    def recurrent(self, layer: Layer) -> tuple[Tensor, ...]:
        """Return what a step needs besides W x with its bias: U, (G H, H), at the end."""
        return (layer.weight_hh_l0,)

    def output(self, state: Any) -> Tensor:
        """Return the part of a state that is the output: (B, H)."""
        return cast("Tensor", state)

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        outputs, after = self.run(self.layers[0], inputs, state[0] if state is not None else None)
        return self._above(outputs, after, state)

    def from_ids(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Equal one-hots: W times the one-hot of i is column i of W, so it is gathered."""
        layer: Layer = self.layers[0]
        before = state[0] if state is not None else None
        if suits_cudnn(layer.weight_hh_l0):
            projected = columns(layer.weight_ih_l0, layer.bias_ih_l0, ids.t())
            outputs, after = run_projected(layer, projected, before)
        else:
            projected = columns(layer.weight_ih_l0, self.bias(layer), ids.t())
            outputs, after = self.walk(projected, before, layer)
        return self._above(outputs.transpose(0, 1), after, state)

    def run(self, layer: Layer, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Run a layer over a window of inputs, (B, T, I)."""
        if not inputs.is_cpu:
            return _run_fused(layer, inputs, state)
        projected = linear(inputs.transpose(0, 1), layer.weight_ih_l0, self.bias(layer))
        outputs, after = self.walk(projected, state, layer)
        return outputs.transpose(0, 1), after

    def id_stepper(self) -> IdStep:
        """Equal `from_ids` for one id a row; what W and b_W give for each id is laid out once."""
        layer: Layer = self.layers[0]
        table = layer.weight_ih_l0.detach().t() + layer.bias_ih_l0.detach()  # (V, G H)
        recurrent = steady_linear(layer.weight_hh_l0, layer.bias_hh_l0)
        take_step = step_of_ids(self.take_step, table.contiguous())

        def step(ids: Tensor, state: Any) -> tuple[Tensor, State]:
            after = take_step(ids, state[0], recurrent(self.output(state[0])))
            if len(state) == 1:
                return self.output(after), (after,)
            outputs, states = self._above(self.output(after).unsqueeze(1), after, state)
            return outputs.squeeze(1), states

        return step

    def greedy_walk(self, head: nn.Linear, inputs: Tensor | None, steps: int) -> GreedyWalk | None:
        """Take steps by a compiled loop, if there is one; of one layer."""
        layer: Layer = self.layers[0]
        others = self.recurrent(layer)
        given = {"weight": layer.weight_ih_l0, "bias": self.bias(layer), "others": others}
        # What inherits from a cell may compute something else.
        other = len(self.layers) > 1 or type(self).__module__ != __name__
        return None if other else greedy_walk(self.recurrence, head, inputs, steps, **given)

    def _above(self, outputs: Tensor, first: State, state: State | None) -> tuple[Tensor, State]:
        """Run the layers above the first one, whose outputs and state are given."""
        after = [first]
        for number, layer in enumerate(list(self.layers)[1:], start=1):  # a slice makes modules
            before = state[number] if state is not None else None
            outputs, last = self.run(layer, self.dropout(outputs), before)
            after.append(last)
        return outputs, tuple(after)


def _run_fused(layer: Layer, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
    """Call a fused layer, which keeps a dimension for layers before that of the batch."""
    packed = None if state is None else map_state(lambda part: part.unsqueeze(0), state)
    if inputs.is_cuda:
        with torch.autocast("cuda", enabled=False):  # see seqlab_plugins.cudnn
            outputs, after = layer(inputs.to(layer.weight_hh_l0.dtype), packed)
    else:
        outputs, after = layer(inputs, packed)
    return outputs, map_state(lambda part: part.squeeze(0), after)


def _fresh(projected: Tensor, layer: Layer) -> Tensor:
    """Zeros for a state before a window (T, B, G H), in the dtype of the parameters."""
    return cast("Tensor", layer.weight_hh_l0.new_zeros(projected.shape[1], layer.hidden_size))


class RNN(Recurrent):
    """Elman's network: h' = tanh(W x + b_W + U h + b_U). "Finding structure in time", 1990."""

    fused = nn.RNN
    take_step = staticmethod(elman_step)
    recurrence = "elman"

    def bias(self, layer: Layer) -> Tensor:
        return cast("Tensor", layer.bias_ih_l0 + layer.bias_hh_l0)

    def walk(self, projected: Tensor, state: State | None, layer: Layer) -> tuple[Tensor, State]:
        first = cast("Tensor", state) if state is not None else _fresh(projected, layer)
        outputs = elman(projected, first, layer.weight_hh_l0)
        return outputs, outputs[-1].clone()


class GRU(Recurrent):
    """Gated recurrent unit: h' = (1 - z) n + z h. Cho et al., 2014, https://arxiv.org/abs/1406.1078.

    As in torch, the reset gate is applied after the recurrent product.
    """

    fused = nn.GRU
    take_step = staticmethod(gated_step)
    recurrence = "gated"

    def bias(self, layer: Layer) -> Tensor:
        gates = 2 * self.output_size
        inner = functional.pad(layer.bias_hh_l0[:gates], (0, self.output_size))
        return cast("Tensor", layer.bias_ih_l0 + inner)

    def walk(self, projected: Tensor, state: State | None, layer: Layer) -> tuple[Tensor, State]:
        first = cast("Tensor", state) if state is not None else _fresh(projected, layer)
        inner, weight = self.recurrent(layer)
        outputs = gated(projected, first, weight, inner)
        return outputs, outputs[-1].clone()

    def recurrent(self, layer: Layer) -> tuple[Tensor, ...]:
        """With the bias that the reset gate is applied to, (H,)."""
        return layer.bias_hh_l0[2 * self.output_size :], layer.weight_hh_l0


class LSTM(Recurrent):
    """Long short-term memory: c' = f c + i g, h' = o tanh(c').

    Hochreiter and Schmidhuber, 1997, with the forget gate of Gers et al., 2000. The state of a
    layer is (h, c), each (B, H).
    """

    fused = nn.LSTM
    take_step = staticmethod(long_short_step)
    recurrence = "long_short"

    def bias(self, layer: Layer) -> Tensor:
        return cast("Tensor", layer.bias_ih_l0 + layer.bias_hh_l0)

    def run(self, layer: Layer, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Call oneDNN's layer on a CPU as well, but not in a dtype that it does not have.

        torch would call it under autocast all the same, and that fails.
        """
        walked = inputs.is_cpu and torch.is_autocast_enabled("cpu")
        if walked and not has_onednn_for(torch.get_autocast_dtype("cpu")):
            return super().run(layer, inputs, state)
        return _run_fused(layer, inputs, state)

    def walk(self, projected: Tensor, state: State | None, layer: Layer) -> tuple[Tensor, State]:
        fresh = _fresh(projected, layer)
        first = cast("tuple[Tensor, Tensor]", state) if state is not None else (fresh, fresh)
        outputs, memory = long_short(projected, first, layer.weight_hh_l0)
        return outputs, (outputs[-1].clone(), memory)

    def output(self, state: tuple[Tensor, Tensor]) -> Tensor:
        return state[0]


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"rnn": RNN, "lstm": LSTM, "gru": GRU}
