"""The recurrent cells `rnn`, `lstm` and `gru`, with the weights of torch's layers.

Shapes: B rows, T window, I input size, H hidden size, G gates, V vocabulary size.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqlab import Cell, Count, IdStep, Share, State, hookimpl
from seqlab.kernels import LookupStep, Operation, condition, greedy_by_steps, one_hot_linear
from seqlab.options import Layers
from seqlab_plugins.kernels import Kernels, kernels_of

Window: TypeAlias = Operation[Tensor, Any, Tensor, Tensor, tuple[Tensor, Any]]
Layer: TypeAlias = Any  # an nn.RNNBase of one layer, whose weights a type checker cannot see


class Recurrent(nn.Module, ABC):
    """A stack of recurrent layers with dropout between them; the state is a tuple of their states.

    A subclass defines the number of gates and one step. The operations for windows, layers and
    greedy steps are made from that step; its class also defines their kernels.
    """

    torch_layer: ClassVar[Callable[..., nn.RNNBase]]
    gates: ClassVar[int]
    state_parts: ClassVar[int] = 1  # h, and other tensors of the state
    window: ClassVar[Window]
    layer: ClassVar[Operation[Layer, Tensor, Any, tuple[Tensor, Any]]]
    greedy: ClassVar[Operation[*tuple[Any, ...], Any]]

    def __init_subclass__(cls) -> None:
        own = cls.kernels if "kernels" in vars(cls) or "step" not in vars(cls) else Kernels
        g, state = f"{cls.gates}H", ("B H",) * cls.state_parts
        cls.window = Operation(
            _window(cls.step),
            shapes=(f"T B {g}", *state, f"{g} H", g),
            work=f"T B {g} H",
            product=f"B {g} H",
            backends=lambda: own().window,
        )
        cls.layer = Operation(
            partial(_layer, cls.window),
            shapes=("B T I", *state),
            work="B T I",
            backends=lambda: own().layer,
        )
        cls.greedy = Operation(
            greedy_by_steps(cls.step),
            shapes=(f"V {g}", f"{g} H", g, "V H", "V", "B", *state),
            work="N",
            counts="N",
            backends=lambda: own().greedy,
        )

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        num_layers: Layers = 1,
        dropout: Share = 0.0,
        bidirectional: bool = False,
    ) -> None:
        """Stack the layers.

        Args:
            input_size: I.
            hidden_size: H, the size of the outputs and of each part of the state.
            num_layers: how many layers are stacked in the cell.
            dropout: share of the outputs between layers that is set to zero in training.
            bidirectional: read each window backwards, too, with weights of its own, so that outputs
                have twice the size; for objectives that do not predict the next token.
        """
        super().__init__()
        if dropout and num_layers == 1:
            raise ValueError(
                "dropout acts between the layers of the cell, so it does nothing with num_layers"
                " 1; model.dropout acts on the outputs of the cell"
            )
        self.reads_ahead, self.hidden_size = bidirectional, hidden_size
        self.output_size = hidden_size * (1 + bidirectional)
        sizes = [input_size] + [self.output_size] * (num_layers - 1)
        self.layers, self.back = (
            nn.ModuleList(self.torch_layer(size, hidden_size, batch_first=True) for size in way)
            for way in (sizes, sizes * bidirectional)
        )
        self.dropout = nn.Dropout(dropout)
        if bidirectional:  # ids are then read as one-hots, and texts not generated
            self.from_ids = self.id_stepper = self.last_output = None  # type: ignore[assignment,method-assign] # offers none

    @staticmethod
    @abstractmethod
    def step(x: Tensor, state: Any, weight: Tensor, bias: Tensor) -> Any:
        """Return the state after a step: h, or a tuple that begins with it.

        Args:
            x: W x + b_W, (B, G H).
            state: before the step.
            weight: U, (G H, H).
            bias: b_U, (G H,).
        """

    @staticmethod
    def kernels() -> Kernels:
        return Kernels()

    condition_here = staticmethod(condition)

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        first, *above = states = self._states(inputs, state)
        if self.reads_ahead:
            return self._both_ways(inputs, states)
        outputs, after = self.layer(self.layers[0], inputs, first)
        return self._run_above(outputs, after, above)

    def _both_ways(self, inputs: Tensor, states: Sequence[Any]) -> tuple[Tensor, State]:
        """Run layers that read on from their states, and back from the end of the window."""
        after: list[State] = []
        ways = zip(self.layers, self.back, states, self._states(inputs, None), strict=True)
        for onward, back, before, fresh in ways:
            read = self.dropout(inputs) if after else inputs
            outputs, state = self.layer(onward, read, before)
            backwards, _ = self.layer(back, read.flip(1), fresh)
            inputs = torch.cat((outputs, backwards.flip(1)), -1)
            after.append(state)
        return inputs, tuple(after)

    def from_ids(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """As for one-hot vectors: W times the one-hot vector of i is column i of W."""
        layer: Layer = self.layers[0]
        first, *above = self._states(ids, state)
        x = one_hot_linear(layer.weight_ih_l0, layer.bias_ih_l0, ids.t())  # (T, B, G H)
        outputs, after = self.window(x, first, layer.weight_hh_l0, layer.bias_hh_l0)
        return self._run_above(outputs.transpose(0, 1), after, above)

    def id_stepper(self) -> IdStep:
        """A step of `from_ids` for one id a row, with a table of W x + b_W."""
        layer: Layer = self.layers[0]
        return LookupStep(
            self.step,
            (layer.weight_ih_l0, layer.bias_ih_l0),
            (layer.weight_hh_l0, layer.bias_hh_l0),
            above=self._run_above if len(self.layers) > 1 else None,
            greedy=self.greedy,
        )

    def last_output(self, state: Any) -> Tensor:
        """Return h of the last layer, (B, H)."""
        last: Any = state[-1]
        h: Tensor = last[0] if self.state_parts > 1 else last
        return h

    def _states(self, inputs: Tensor, state: Any) -> Sequence[Any]:
        """The state of each layer: zeros in the dtype of the parameters if it is None."""
        if state is not None:
            return cast("Sequence[Any]", state)
        layer: Layer = self.layers[0]
        zeros = layer.weight_hh_l0.new_zeros(len(inputs), self.hidden_size)
        return [(zeros,) * self.state_parts if self.state_parts > 1 else zeros] * len(self.layers)

    def _run_above(
        self, outputs: Tensor, first: State, states: Sequence[Any]
    ) -> tuple[Tensor, State]:
        """Run the layers above the first, given its outputs (B, T, H) and its state after."""
        after = [first]
        for layer, before in zip(list(self.layers)[1:], states, strict=True):
            outputs, state = self.layer(layer, self.dropout(outputs), before)
            after.append(state)
        return outputs, tuple(after)


def _window(step: Callable[..., Any]) -> Callable[..., tuple[Tensor, Any]]:
    """The reference for a window: one step after another."""

    def window(x: Tensor, state: Any, weight: Tensor, bias: Tensor) -> tuple[Tensor, Any]:
        outputs = []
        for x_t in x:  # (B, G H)
            state = step(x_t, state, weight, bias)
            outputs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outputs), state  # (T, B, H)

    return window


def _layer(window: Window, layer: Layer, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Run a layer over inputs (B, T, I): outputs (B, T, H) and the state after."""
    x = functional.linear(inputs.transpose(0, 1), layer.weight_ih_l0, layer.bias_ih_l0)
    weight, bias = layer.weight_hh_l0, layer.bias_hh_l0
    outputs, after = window(x.to(weight.dtype), state, weight, bias)
    return outputs.transpose(0, 1), after


class RNN(Recurrent):
    """Elman's network: h' = tanh(W x + b_W + U h + b_U). "Finding structure in time", 1990."""

    torch_layer = nn.RNN
    gates = 1

    @staticmethod
    def step(x: Tensor, state: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.tanh(x + functional.linear(state, weight, bias))  # (B, H)

    @staticmethod
    def kernels() -> Kernels:
        return kernels_of("rnn")


class LSTM(Recurrent):
    """Long short-term memory: Hochreiter and Schmidhuber, 1997; Gers et al., 2000.

        i, f, o = sigmoid(W x + b_W + U h + b_U), three times
        g  = tanh(W_g x + b_Wg + U_g h + b_Ug)
        c' = f c + i g
        h' = o tanh(c')

    The state of a layer is (h, c), each (B, H).
    """

    torch_layer = nn.LSTM
    gates = 4
    state_parts = 2

    @staticmethod
    def step(
        x: Tensor, state: tuple[Tensor, Tensor], weight: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        h, c = state
        i, f, g, o = (x + functional.linear(h, weight, bias)).chunk(4, -1)  # (B, H) each
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c

    @staticmethod
    def kernels() -> Kernels:
        return kernels_of("lstm")


class GRU(Recurrent):
    """Gated recurrent unit: Cho et al., 2014, https://arxiv.org/abs/1406.1078.

        r  = sigmoid(W_r x + b_Wr + U_r h + b_Ur)
        z  = sigmoid(W_z x + b_Wz + U_z h + b_Uz)
        n  = tanh(W_n x + b_Wn + r (U_n h + b_Un))
        h' = (1 - z) n + z h

    As in torch, the reset gate r is applied after the recurrent product.
    """

    torch_layer = nn.GRU
    gates = 3

    @staticmethod
    def step(x: Tensor, state: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        h = state
        x_r, x_z, x_n = x.chunk(3, -1)  # (B, H) each
        h_r, h_z, h_n = functional.linear(h, weight, bias).chunk(3, -1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * h_n)
        return (1 - z) * n + z * h

    @staticmethod
    def kernels() -> Kernels:
        return kernels_of("gru")


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"rnn": RNN, "lstm": LSTM, "gru": GRU}
