"""Convert a state to JSON and tensors, and back with the same types."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor


def pack(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Convert a tree to JSON that keeps tuples and integer keys; `path` is for messages."""
    if isinstance(value, Tensor):
        name = f"tensor-{len(tensors)}"
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, dict):
        return {
            "dict": [
                [_pack_key(k, path), pack(v, f"{path}/{k}", tensors)] for k, v in value.items()
            ]
        }
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [pack(item, f"{path}/{i}", tensors) for i, item in enumerate(value)]}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(float(value))}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{path}: a state may have JSON values and tensors, not {type(value)}")


def _pack_key(key: Any, path: str) -> Any:
    if isinstance(key, tuple):
        return {"tuple": [_pack_key(part, path) for part in key]}
    if isinstance(key, bool | int | str):
        return key
    raise TypeError(f"{path}: a state's keys are text, integers or tuples, not {key!r}")


def unpack(packed: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Reverse `pack`.

    Raises:
        ValueError: the JSON was not written by `pack`.
        KeyError: a tensor is missing.
    """
    if not isinstance(packed, dict):
        return packed
    ((kind, content),) = packed.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "float" and content in ("nan", "inf", "-inf"):
        return float(content)
    if kind not in ("dict", "list", "tuple") or not isinstance(content, list):
        raise ValueError(f"a state has no {kind} of {type(content).__name__}")
    if kind == "dict":
        return {_unpack_key(key): unpack(value, tensors) for key, value in content}
    values = [unpack(item, tensors) for item in content]
    return tuple(values) if kind == "tuple" else values


def _unpack_key(packed: Any) -> Any:
    return tuple(map(_unpack_key, packed["tuple"])) if isinstance(packed, dict) else packed
