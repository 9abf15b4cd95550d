"""Nested dicts, lists and tuples of tensors and plain values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


def map_tensors(change: Callable[[Tensor], Any], value: Any) -> Any:
    """Apply a function to every tensor; named tuples stay named."""
    if isinstance(value, dict):
        return {key: map_tensors(change, part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        parts = [map_tensors(change, part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return change(value) if isinstance(value, Tensor) else value
