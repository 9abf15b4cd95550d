"""Cells one after another, with a norm before each, a residual connection around it, and dropout.

Shapes: B rows, T window, I input size, O output size, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from seqlab.contracts import IdStep, State, offered
from seqlab.model.state import checked_result

MakeCell: TypeAlias = Callable[[int], Any]
Norm: TypeAlias = Literal["layer", "rms"]


class SizesDiffer(ValueError):
    """A layer with a residual connection has inputs and outputs of different sizes."""


class Stack(nn.ModuleList):
    """A cell of cells; its state is a tuple with one entry a layer.

    Args:
        input_size: I.
        cells: of each layer a function that makes its cell for an input size.
        norm: normalises the inputs of each layer; None: nothing does.
        residual: add the inputs of each layer to its outputs; they must have the same size.
        dropout: share of what goes from layer to layer that is set to zero in training.
        locked: draw one mask of dropout for all steps of a window.
        one_hot: the inputs are one-hots, which are neither normalised nor added.

    Where `recomputed` is set, training keeps the inputs of each layer alone and computes the layer
    again for its gradients (activation checkpointing: Chen et al., 2016,
    https://arxiv.org/abs/1604.06174).

    Raises:
        SizesDiffer: inputs and outputs of a layer with a residual connection differ in size.
    """

    recomputed = False

    def __init__(
        self,
        input_size: int,
        cells: Iterable[MakeCell],
        *,
        norm: Norm | None = None,
        residual: bool = False,
        dropout: float = 0.0,
        locked: bool = False,
        one_hot: bool = False,
    ) -> None:
        super().__init__()
        size = input_size
        for number, make_cell in enumerate(cells):
            bare = one_hot and number == 0
            layer = Layer(size, make_cell, None if bare else norm, residual and not bare)
            self.append(layer)
            size = layer.output_size
        self.output_size, self.dropout, self.locked = size, dropout, locked

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Map inputs (B, T, I), or ids (B, T) of one-hots, to outputs (B, T, O)."""
        states = state if isinstance(state, tuple) else (None,) * len(self)
        values, new_states = inputs, []
        for number, (layer, before) in enumerate(zip(self, states, strict=True)):
            if number:
                values = dropped(values, self.dropout, self.training, self.locked)
            read = _recomputed(layer) if self.recomputed and self.training else layer
            values, after = read(values, before)
            new_states.append(after)
        return values, tuple(new_states)

    @property
    def from_ids(self) -> Callable[[Tensor, State | None], tuple[Tensor, State]] | None:
        """Offered if the first layer is a bare cell that reads ids."""
        return self.forward if self._first_offers("from_ids") else None

    @property
    def id_stepper(self) -> Callable[[], IdStep] | None:
        """Offered if the first layer is a bare cell that offers it."""
        return self._step_ids if self._first_offers("id_stepper") else None

    def _first_offers(self, name: str) -> bool:
        first = cast("Layer", self[0])
        return first.is_bare and offered(first.cell, name) is not None

    def _step_ids(self) -> IdStep:
        first, *rest = cast("list[Layer]", list(self))
        return step_through(offered(first.cell, "id_stepper")(), rest)


def step_through(first: IdStep, rest: list[Layer]) -> IdStep:
    """Return one step of several layers, given that of the first, as ids (B,) to outputs (B, O)."""

    def step(ids: Tensor, state: State) -> tuple[Tensor, State]:
        values, after = first(ids, state[0])  # (B, O)
        new_states = [after]
        for layer, before in zip(rest, state[1:], strict=True):
            window, after = layer(values.unsqueeze(1), before)
            values = window.squeeze(1)
            new_states.append(after)
        return values, tuple(new_states)

    return step


class Layer(nn.Module):
    """A cell with a norm before it and a residual connection around both."""

    def __init__(self, size: int, make_cell: MakeCell, norm: Norm | None, residual: bool) -> None:
        super().__init__()
        self.norm = make_norm(norm, size)
        self.cell = cast("nn.Module", make_cell(size))
        self.output_size = cast("int", self.cell.output_size)
        self.residual = residual
        if residual and self.output_size != size:
            raise SizesDiffer(
                f"residual needs inputs and outputs of the same size; they are {size} and"
                f" {self.output_size}"
            )

    @property
    def is_bare(self) -> bool:
        """Whether it is its cell and nothing else."""
        return isinstance(self.norm, nn.Identity) and not self.residual

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Map inputs (B, T, I), or ids (B, T) for `from_ids`, to outputs (B, T, O)."""
        shape = (*inputs.shape[:2], self.output_size)
        if not inputs.is_floating_point():
            result = offered(self.cell, "from_ids")(inputs, state)
            return checked_result(result, self.cell, "from_ids", shape)
        result = self.cell(self.norm(inputs), state)
        outputs, state = checked_result(result, self.cell, "forward", shape)
        return (inputs + outputs if self.residual else outputs), state


def _recomputed(layer: nn.Module) -> Callable[..., tuple[Tensor, State]]:
    """A layer that is computed again, with the same random numbers, when its gradients are."""
    return partial(checkpoint, layer, use_reentrant=False)


def make_norm(name: Norm | None, size: int) -> nn.Module:
    norms = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}
    return norms[name](size) if name else nn.Identity()


def dropped(values: Tensor, share: float, training: bool, locked: bool = False) -> Tensor:
    """Drop out; without dropout nothing is copied. `locked`: one mask for all steps of a window.

    Values become contiguous, so that a mask does not depend on how a cell lays out its outputs.
    """
    if not (training and share > 0):
        return values
    if locked:
        return values * functional.dropout(torch.ones_like(values[:, :1]), share)
    return functional.dropout(values.contiguous(), share)
