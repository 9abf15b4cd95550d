"""Any decoder's `choose`, called alike whatever it names.

Shapes: B rows, V vocabulary size, t tokens so far.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

from seqlab.contracts import Decoder, State, offered
from seqlab.errors import PluginError
from seqlab.model.state import leaves

Choose: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor, State | None], tuple[Tensor, State]]
"""Logits (B, V), history (B, t), uniform (B,), prefix lengths (B,), memory -> ids (B,), memory."""


def chooser(decoder: Decoder) -> Choose:
    """Return a function that calls `decoder.choose` with what it names, and checks its result.

    For a decoder around another one: every decoder is then called in one way. The memory of a
    decoder that has none is `()`.

    Raises:
        ValueError: it searches instead of choosing.
    """
    method: Any = offered(decoder, "choose")
    if not callable(method):
        raise ValueError(f"{type(decoder).__name__} has no `choose`: it searches instead")
    names, who = further_names(method), f"decoder {type(decoder).__name__}: `choose`"

    def choose(
        logits: Tensor, history: Tensor, uniform: Tensor, lengths: Tensor, memory: State | None
    ) -> tuple[Tensor, State]:
        further = {"prefix_lengths": lengths, "memory": memory}
        result = method(logits, history, uniform, **{name: further[name] for name in names})
        ids, after = _pair(result, who) if "memory" in names else (result, ())
        check_ids(ids, len(logits), who)
        _check_memory(after, len(logits), who)
        return ids, after

    return choose


def asks_for_lengths(decoder: object) -> bool:
    """Whether a decoder asks where the prefixes end, so that they have to end with a token."""
    method = offered(decoder, "choose")
    return callable(method) and "prefix_lengths" in further_names(method)


def further_names(method: Callable[..., Any]) -> list[str]:
    """Which of the further parameters a `choose` has."""
    try:
        parameters = inspect.signature(method).parameters
    except (TypeError, ValueError):
        return []
    return [name for name in ("prefix_lengths", "memory") if name in parameters]


def _pair(result: Any, who: str) -> tuple[Any, Any]:
    if isinstance(result, tuple) and len(result) == 2:
        return result
    raise PluginError(
        f"{who} names `memory`, so it should return ids and memory, not {_type(result)}"
    )


def check_ids(ids: Any, rows: int, who: str) -> None:
    """Raise PluginError unless ids are int64 (B,)."""
    if not isinstance(ids, Tensor) or ids.shape != (rows,) or ids.dtype != torch.int64:
        raise PluginError(
            f"{who} should return the ids of {rows} rows, int64 ({rows},); it returned {_type(ids)}"
        )


def _check_memory(memory: Any, rows: int, who: str) -> None:
    for part in leaves(memory):
        if not isinstance(part, Tensor) or part.shape[:1] != (rows,):
            raise PluginError(
                f"{who} should return a memory of tensors that have the {rows} rows of the batch"
                f" first; it returned {_type(part)}"
            )


def _type(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return type(value).__name__
