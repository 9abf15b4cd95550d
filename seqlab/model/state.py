"""What may be done to any state: its batch is the first dimension, zeros are a fresh row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from seqlab.contracts import State
from seqlab.errors import PluginError

A_STATE = "a state is a tensor or a nested tuple of tensors"


def checked_result(
    returned: Any, cell: object, method: str, shape: tuple[int, ...]
) -> tuple[Tensor, State]:
    """Return what a method of a cell returned, once it is known to be outputs and a state.

    Args:
        returned: by the method.
        cell: whose method it is.
        method: its name.
        shape: that the outputs should have, the batch first.

    Raises:
        PluginError: it is something else.
    """
    if not (isinstance(returned, tuple) and len(returned) == 2):
        raise _refusal(cell, method, returned)
    outputs, state = returned
    parts = list(_parts(state))
    if not all(isinstance(part, Tensor) for part in (outputs, *parts)):
        raise _refusal(cell, method, returned)
    who = f"cell {type(cell).__name__}: `{method}`"
    if outputs.shape != shape:
        raise PluginError(
            f"{who} should return outputs of the shape {shape}, whose last number is the"
            f" cell's output_size; they have {tuple(outputs.shape)}"
        )
    if any(part.shape[:1] != shape[:1] for part in parts):
        shapes = ", ".join(str(tuple(part.shape)) for part in parts)
        raise PluginError(
            f"{who} should return a state whose tensors have the {shape[0]} rows of the batch"
            f" first; their shapes are {shapes}"
        )
    return outputs, state


def _refusal(cell: object, method: str, returned: Any) -> PluginError:
    return PluginError(
        f"cell {type(cell).__name__}: `{method}` should return (outputs, state), where {A_STATE};"
        f" it returned {_form(returned)}"
    )


def _parts(value: Any) -> Iterator[Any]:
    """What lies in a nested tuple."""
    if not isinstance(value, tuple):
        yield value
        return
    for part in value:
        yield from _parts(part)


def _form(value: Any) -> str:
    """The types in a value, for messages."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_form, value))})"
    return "None" if value is None else type(value).__name__


def map_state(change: Callable[[Tensor], Tensor], state: State) -> State:
    """Apply a function to every tensor of a state.

    Raises:
        TypeError: it is no state.
    """
    if isinstance(state, Tensor):
        return change(state)
    if not isinstance(state, tuple):
        raise TypeError(f"{A_STATE}, not {_form(state)}")
    return tuple(map_state(change, part) for part in state)


def detach_state(state: State, dtype: torch.dtype) -> State:
    """Cut a state from the graph of its window; floating parts take the parameters' dtype."""

    def settled(tensor: Tensor) -> Tensor:
        return tensor.detach().to(dtype if tensor.is_floating_point() else tensor.dtype)

    return map_state(settled, state)


def select_rows(state: State, rows: Tensor) -> State:
    """Reorder or repeat the rows of a state: `rows` (N,) says which old row each new one is."""
    return map_state(lambda tensor: tensor.index_select(0, rows), state)


def join_rows(states: Sequence[State]) -> State:
    """Put the rows of several states of one structure below one another."""
    first = states[0]
    if isinstance(first, Tensor):
        return torch.cat(cast("list[Tensor]", list(states)))
    return tuple(join_rows(parts) for parts in zip(*states, strict=True))


def agreement(rows: Tensor) -> bool | Tensor:
    """Return what all rows say, (B,) bool on the CPU, or the rows if they do not agree."""
    return bool(rows[0]) if rows.all() or not rows.any() else rows


def carry(state: State | None, continues: bool | Tensor) -> State | None:
    """Start those rows of a state afresh that do not continue: (B,) bool, or one for all.

    By selection, never by multiplication: what is not a number would survive that. Where all rows
    say the same nothing is selected; rows on a GPU are not read for that.
    """
    if isinstance(continues, Tensor) and continues.is_cpu:
        continues = agreement(continues)
    if state is None or continues is False:
        return None
    if not isinstance(continues, Tensor):
        return state

    def keep(tensor: Tensor) -> Tensor:
        shape = (-1,) + (1,) * (tensor.dim() - 1)
        rows = continues.to(tensor.device).view(shape)
        return torch.where(rows, tensor, torch.zeros_like(tensor))

    return map_state(keep, state)


def fresh_unless(finite: Tensor, state: State) -> State:
    """Start all rows afresh unless `finite`, a bool on the state's device, which is not read."""
    return map_state(lambda tensor: torch.where(finite, tensor, torch.zeros_like(tensor)), state)


def zeros(shape: object, rows: int, like: Tensor) -> State:
    """Return a fresh state of `shape`: a tuple of sizes without the batch, or of such tuples."""
    if isinstance(shape, tuple) and all(isinstance(size, int) for size in shape):
        return like.new_zeros((rows, *shape))
    if isinstance(shape, tuple):
        return tuple(zeros(part, rows, like) for part in shape)
    raise TypeError(f"state_shape should be a tuple of sizes or of such tuples; it is {shape!r}")


def first_rows(state: State, count: int) -> State:
    """Keep the state of that many rows."""
    return map_state(lambda tensor: tensor[:count], state)
