"""One step of a recurrence, on tensors or on numpy's arrays: the formulas are the same.

A step of a few rows is a dozen calls that last less than a microsecond each in numpy, and two or
three in torch. Shapes: B rows, H hidden size. Gates are in torch's order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

Values: TypeAlias = Any  # a Tensor or an array


class Activations(NamedTuple):
    """Those of tensors, or of arrays."""

    tanh: Callable[[Values], Values]
    sigmoid: Callable[[Values], Values]


def _sigmoid(values: np.ndarray) -> np.ndarray:
    """Without an exponential that could overflow; equal to 1e-7 in float32."""
    found = np.tanh(values * 0.5)
    found *= 0.5
    found += 0.5
    return found


OF_TENSORS = Activations(torch.tanh, torch.sigmoid)
OF_ARRAYS = Activations(np.tanh, _sigmoid)


def elman_step(projected: Values, _: Values, recurrent: Values, activations: Activations) -> Values:
    """Return h' from W x + b_W and U h + b_U, all (B, H); h is in U h already."""
    return activations.tanh(projected + recurrent)


def gated_step(
    projected: Values, state: Values, recurrent: Values, activations: Activations
) -> Values:
    """Return h' of a GRU from h, (B, H), W x + b_W and U h + b_U, both (B, 3 H)."""
    size = state.shape[1]
    gates = activations.sigmoid(projected[:, : 2 * size] + recurrent[:, : 2 * size])
    reset, update = gates[:, :size], gates[:, size:]
    new = activations.tanh(projected[:, 2 * size :] + reset * recurrent[:, 2 * size :])
    return new + update * (state - new)


def long_short_step(
    projected: Values, state: tuple[Values, Values], recurrent: Values, activations: Activations
) -> tuple[Values, Values]:
    """Return h' and c' of an LSTM from h and c, W x + b_W and U h + b_U, both (B, 4 H)."""
    _, memory = state
    size = memory.shape[1]
    total = projected + recurrent
    opened = activations.sigmoid(total[:, : 2 * size])
    new = activations.tanh(total[:, 2 * size : 3 * size])
    out = activations.sigmoid(total[:, 3 * size :])
    memory = opened[:, size:] * memory + opened[:, :size] * new
    return out * activations.tanh(memory), memory


def step_of_ids(take_step: Callable[..., Values], columns: Tensor) -> Callable[..., Any]:
    """Return what takes a step from ids (B,), the state and U h + b_U.

    Args:
        take_step: one of the above.
        columns: W x + b_W of each id, (V, G H).
    """
    if columns.is_cpu and columns.dtype.itemsize >= 4:
        return _step_of_arrays(take_step, columns.numpy())

    def take(ids: Tensor, state: Any, recurrent: Tensor) -> Any:
        return take_step(torch.embedding(columns, ids), state, recurrent, OF_TENSORS)

    return take


def _step_of_arrays(take_step: Callable[..., Values], columns: np.ndarray) -> Callable[..., Any]:
    def take(ids: Tensor, state: Any, recurrent: Tensor) -> Any:
        before = _each(_array, state)
        with np.errstate(all="ignore"):  # as torch does
            after = take_step(columns.take(ids.numpy(), 0), before, recurrent.numpy(), OF_ARRAYS)
        return _each(torch.from_numpy, after)

    return take


def _array(tensor: Tensor) -> np.ndarray:
    return (tensor.detach() if tensor.requires_grad else tensor).numpy()


def _each(change: Callable[[Values], Values], state: Any) -> Any:
    return tuple(map(change, state)) if isinstance(state, tuple) else change(state)
