"""A cell that reads a window in both directions.

Shapes: B rows, T window, I input size, O output size of a cell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from seqlab.contracts import State, offered
from seqlab.model.stack import MakeCell


class Bidirectional(nn.Module):
    """One cell from the first input to the last, another one back; their outputs side by side.

    Schuster and Paliwal, 1997. The way back begins afresh at the end of every window.

    Args:
        input_size: I.
        make_cell: makes a cell for an input size; called twice.
    """

    reads_ahead = True

    def __init__(self, input_size: int, make_cell: MakeCell) -> None:
        super().__init__()
        self.onward, self.back = make_cell(input_size), make_cell(input_size)
        self.output_size: int = self.onward.output_size + self.back.output_size

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Map inputs (B, T, I), or ids (B, T) for cells that read them, to outputs (B, T, 2 O)."""
        onward, after = _call(self.onward)(inputs, state)
        back, _ = _call(self.back)(inputs.flip(1), None)
        return torch.cat((onward, back.flip(1)), -1), after

    @property
    def from_ids(self) -> Callable[[Tensor, State | None], tuple[Tensor, State]] | None:
        """Offered if the cells read ids."""
        return self.forward if offered(self.onward, "from_ids") is not None else None


def _call(cell: Any) -> Callable[[Tensor, State | None], tuple[Tensor, State]]:
    def call(inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        read = cell if inputs.is_floating_point() else cell.from_ids
        result: tuple[Tensor, State] = read(inputs, state)
        return result

    return call
