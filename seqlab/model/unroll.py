"""From one step to a whole window."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from seqlab.contracts import State
from seqlab.model.state import checked_result, zeros

CellT = TypeVar("CellT")
Step = Callable[[CellT, Tensor, Any], tuple[Tensor, Any]]
Window = Callable[[CellT, Tensor, State | None], tuple[Tensor, State]]


def unroll(step: Step[CellT]) -> Window[CellT]:
    """Turn a method that takes one step into the `forward` of a cell.

    The step maps inputs (B, I) and a state to outputs (B, O) and the next state. A fresh state is
    made of zeros: `self.state_shape` says of which shape, without the batch (a tuple of sizes, or
    a tuple of such tuples for several tensors). Without that attribute it is `(output_size,)`.

    Example:
        `forward = unroll(step)` in the body of the class, or `@unroll` above `def forward`.
    """
    name = getattr(step, "__name__", "step")

    @wraps(step)
    def forward(self: CellT, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        if state is None:
            state = zeros(_state_shape(self), len(inputs), inputs)
        outputs, shape = [], (len(inputs), cast("Any", self).output_size)
        for one in inputs.unbind(1):
            output, state = checked_result(step(self, one, state), self, name, shape)
            outputs.append(output)
        return torch.stack(outputs, 1), state

    return forward


def _state_shape(cell: Any) -> object:
    declared = getattr(cell, "state_shape", None)
    return (cell.output_size,) if declared is None else declared
