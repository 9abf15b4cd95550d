"""Cells made of cells: one after another, around one, and side by side.

Shapes: B rows, T window, I input size, O output size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

import seqlab
from seqlab import Cell, CellFactory, Share, State, hookimpl

Norm = Literal["layer", "rms"]


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """Layers that are written once and built several times, each time with weights of its own.

    Args:
        repeat: how many times.
        layers: the cells of these layers, in order.
    """

    repeat: Annotated[int, Field(gt=0, le=1000)]
    layers: Annotated[list[CellFactory], Field(min_length=1)]


class StackedCells(seqlab.Stack):
    """Cells one after another, each reading the outputs of the one before.

    The state is a tuple with one entry a layer. `model.norm` normalises what the head reads.
    """

    later_options = ("locked",)

    def __init__(
        self,
        input_size: int,
        *,
        layers: Annotated[list[CellFactory | Repeat], Field(min_length=1)],
        norm: Norm | None = None,
        residual: bool = False,
        dropout: Share = 0.0,
        locked: bool = False,
    ) -> None:
        """Build the layers.

        Args:
            input_size: I.
            layers: Required. The cells, in order; `{repeat: 3, layers: [...]}` stands for some of
                them three times.
            norm: what normalises the inputs of each layer; null: nothing.
            residual: add the inputs of each layer to its outputs; all have the same size then.
            dropout: share of what goes from layer to layer that is set to zero in training.
            locked: draw one mask of dropout for all steps of a window.
        """
        cells = [cell for layer in layers for cell in _repeated(layer)]
        super().__init__(
            input_size, cells, norm=norm, residual=residual, dropout=dropout, locked=locked
        )


def _repeated(layer: CellFactory | Repeat) -> list[CellFactory]:
    return layer.layers * layer.repeat if isinstance(layer, Repeat) else [layer]


class Residual(seqlab.Stack):
    """A cell whose inputs are added to its outputs, with a norm before it."""

    def __init__(self, input_size: int, *, inner: CellFactory, norm: Norm | None = "rms") -> None:
        """Build the cell.

        Args:
            input_size: I, and the output size of the cell as well.
            inner: Required. The cell.
            norm: what normalises its inputs; null: nothing.
        """
        super().__init__(input_size, [inner], norm=norm, residual=True)


class Parallel(nn.Module):
    """Cells side by side, which read the same inputs; the state is a tuple of their states."""

    def __init__(
        self,
        input_size: int,
        *,
        branches: Annotated[list[CellFactory], Field(min_length=1)],
        combine: Literal["concatenate", "sum", "mean"] = "concatenate",
    ) -> None:
        """Build the branches.

        Args:
            input_size: I.
            branches: Required. The cells.
            combine: what is done with their outputs; sum and mean need outputs of one size.
        """
        super().__init__()
        cells = [branch(input_size) for branch in branches]
        self.branches, self.combine = nn.ModuleList(cells), combine
        sizes = [cell.output_size for cell in cells]
        if combine != "concatenate" and len(set(sizes)) > 1:
            raise ValueError(f"{combine} needs branches with outputs of one size; they are {sizes}")
        self.output_size = sum(sizes) if combine == "concatenate" else sizes[0]

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        states = state if isinstance(state, tuple) else [None] * len(self.branches)
        pairs = zip(self.branches, states, strict=True)
        outputs, after = zip(*(branch(inputs, before) for branch, before in pairs), strict=True)
        if self.combine == "concatenate":
            return torch.cat(outputs, -1), after
        total = torch.stack(outputs).sum(0)
        return (total / len(outputs) if self.combine == "mean" else total), after


class BothWays(seqlab.Bidirectional):
    """A cell in both directions of a window, for objectives that do not predict the next token."""

    def __init__(self, input_size: int, *, inner: CellFactory) -> None:
        """Build two cells.

        Args:
            input_size: I.
            inner: Required. The cell; outputs have twice its size.
        """
        super().__init__(input_size, inner)


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {
        "stack": StackedCells,
        "residual": Residual,
        "parallel": Parallel,
        "bidirectional": BothWays,
    }
