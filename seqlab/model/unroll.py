"""Lift one time step of a cell to a window."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from seqlab.contracts import State, offered
from seqlab.model.state import checked_result, zero_state

CellT = TypeVar("CellT")
Step = Callable[[CellT, Tensor, Any], tuple[Tensor, Any]]
Window = Callable[[CellT, Tensor, State | None], tuple[Tensor, State]]


def unroll(step: Step[CellT]) -> Window[CellT]:
    """Turn a method that takes one step into the `forward` of a cell.

    The step maps inputs (B, I) and a state to outputs (B, O) and the next state. A fresh state is
    zeros of the shape `self.state_shape`, without the batch: a tuple of sizes, or a tuple of such
    tuples for several tensors. The default is `(output_size,)`.

    Example:
        `forward = unroll(step)` in the body of the class, or `@unroll` above `def forward`.
    """
    name = getattr(step, "__name__", "step")

    @wraps(step)
    def forward(self: CellT, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        rows = inputs.shape[0]  # and not `len`, which a tracer takes for a constant
        outputs, shape = [], (rows, cast("Any", self).output_size)
        if state is None:
            declared = offered(self, "state_shape")
            state = zero_state(shape[1:] if declared is None else declared, rows, inputs)
        for step_input in inputs.unbind(1):
            output, state = checked_result(step(self, step_input, state), self, name, shape)
            outputs.append(output)
        return torch.stack(outputs, 1), state

    return forward
