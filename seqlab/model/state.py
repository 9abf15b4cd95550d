"""Operations on any state. The batch is its first dimension; a row of zeros is a fresh row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from seqlab.contracts import State
from seqlab.errors import PluginError

A_STATE = "a state is a tensor or a nested tuple of tensors"


def checked_result(
    returned: Any, part: object, method: str, shape: tuple[int, ...], kind: str = "cell"
) -> tuple[Tensor, State]:
    """Return outputs and state; raise PluginError unless the outputs have `shape` (B, …)."""
    who = f"{kind} {type(part).__name__}: `{method}`"
    pair: Any = returned if isinstance(returned, tuple) and len(returned) == 2 else (None, None)
    outputs, state = pair
    parts = list(leaves(state))
    if not all(isinstance(part, Tensor) for part in (outputs, *parts)):
        raise PluginError(
            f"{who} should return (outputs, state), where {A_STATE}; it returned {_types(returned)}"
        )
    if outputs.shape != shape:
        raise PluginError(
            f"{who} should return outputs of the shape {shape}, whose last number is the"
            f" {kind}'s output_size; they have {tuple(outputs.shape)}"
        )
    checked_rows(state, shape[0], who)
    return outputs, state


def checked_rows(state: Any, rows: int, who: str) -> None:
    """Raise PluginError unless the tensors of a state have the rows of the batch first."""
    parts = list(leaves(state))
    if not all(isinstance(part, Tensor) for part in parts):
        raise PluginError(f"{who} should return a state: {A_STATE}; it returned {_types(state)}")
    if any(part.shape[:1] != (rows,) for part in parts):
        shapes = ", ".join(str(tuple(part.shape)) for part in parts)
        raise PluginError(
            f"{who} should return a state whose tensors have the {rows} rows of the batch"
            f" first; their shapes are {shapes}"
        )


def leaves(value: Any) -> Iterator[Any]:
    """Yield the values of a nested tuple."""
    if not isinstance(value, tuple):
        yield value
        return
    for part in value:
        yield from leaves(part)


def _types(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_types, value))})"
    return "None" if value is None else type(value).__name__


def map_state(change: Callable[[Tensor], Tensor], state: State) -> State:
    """Apply a function to every tensor of a state; raise TypeError if it is not a state."""
    if isinstance(state, Tensor):
        return change(state)
    if not isinstance(state, tuple):
        raise TypeError(f"{A_STATE}, not {_types(state)}")
    return tuple(map_state(change, part) for part in state)


def detach_state(state: State, dtype: torch.dtype) -> State:
    """Cut a state from the graph of its window; floating tensors get the parameters' dtype."""
    return map_state(lambda t: t.detach().to(dtype if t.is_floating_point() else t.dtype), state)


def select_rows(state: State, rows: Tensor) -> State:
    """Reorder or repeat the rows of a state: new row i is old row `rows[i]`."""
    return map_state(lambda tensor: tensor.index_select(0, rows), state)


def join_rows(states: Sequence[State]) -> State:
    """Concatenate states of the same structure along the batch."""
    first = states[0]
    if isinstance(first, Tensor):
        return torch.cat(cast("list[Tensor]", list(states)))
    return tuple(join_rows(parts) for parts in zip(*states, strict=True))


def as_bool(rows: Tensor) -> bool | Tensor:
    """Reduce (B,) bool on the CPU to one bool if all rows are equal."""
    return bool(rows[0]) if rows.all() or not rows.any() else rows


def carry(state: State | None, continues: bool | Tensor) -> State | None:
    """Reset the rows of a state that do not continue: (B,) bool, or one bool for all.

    Rows are selected, not multiplied: 0 * NaN is NaN. A tensor on a GPU is not read back.
    """
    if isinstance(continues, Tensor) and continues.is_cpu:
        continues = as_bool(continues)
    if state is None or continues is False:
        return None
    if not isinstance(continues, Tensor):
        return state

    def keep(tensor: Tensor) -> Tensor:
        shape = (-1,) + (1,) * (tensor.dim() - 1)
        rows = continues.to(tensor.device).view(shape)
        return torch.where(rows, tensor, torch.zeros_like(tensor))

    return map_state(keep, state)


def reset_unless(finite: Tensor, state: State) -> State:
    """Reset all rows unless `finite`, a bool on the state's device, which is not read back."""
    return map_state(lambda tensor: torch.where(finite, tensor, torch.zeros_like(tensor)), state)


def structure(state: State) -> object:
    """Return the nesting of a state, with the shape of one row of each tensor."""
    if isinstance(state, Tensor):
        return tuple(state.shape[1:])
    return [structure(part) for part in state] if isinstance(state, tuple) else state


def zero_state(shape: object, rows: int, like: Tensor) -> State:
    """Return a fresh state of `shape`: a tuple of sizes without the batch, or of such tuples."""
    if isinstance(shape, tuple) and all(isinstance(size, int) for size in shape):
        return like.new_zeros((rows, *shape))
    if isinstance(shape, tuple):
        return tuple(zero_state(part, rows, like) for part in shape)
    raise TypeError(f"state_shape should be a tuple of sizes or of such tuples; it is {shape!r}")
