"""A model's shapes without memory for its numbers.

torch's meta device does the same, but its first use imports eight hundred modules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_CONSTRUCTORS = {"empty", "zeros", "ones", "rand", "randn", "full"}


class Outline(TorchFunctionMode):
    """Inside this mode a new tensor has memory for one number, and writes into it are skipped."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in _CONSTRUCTORS:
            return torch.zeros((), dtype=kwargs.get("dtype")).expand(_size(args, kwargs))
        if name == "__setitem__":
            return None
        # torch names in-place functions so
        if name.endswith("_") and not name.startswith("_") and name != "requires_grad_":
            return args[0] if args else next(iter(kwargs.values()))
        return func(*args, **kwargs)


def _size(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[int]:
    """Read the size, given as one value or as several numbers."""
    if not args:
        return tuple(kwargs["size"])
    return tuple(args) if isinstance(args[0], int) else tuple(args[0])
