"""A model's shapes without room for its numbers.

torch's meta device gives these too, but its first use imports eight hundred modules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_MAKE = {"empty", "zeros", "ones", "rand", "randn", "full"}


class Outline(TorchFunctionMode):
    """While it is entered, a new tensor takes the room of one number, whatever its shape.

    What would be written into a tensor is left out.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in _MAKE:
            return torch.zeros((), dtype=named.get("dtype")).expand(_size(args, named))
        if name == "__setitem__":
            return None
        if name.endswith("_") and not name.startswith("_"):  # torch's mark of what writes in place
            return args[0] if args else next(iter(named.values()))
        return func(*args, **named)


def _size(args: Sequence[Any], named: Mapping[str, Any]) -> Sequence[int]:
    """The size that a function was given: as one value, or as several numbers."""
    if not args:
        return tuple(named["size"])
    return tuple(args) if isinstance(args[0], int) else tuple(args[0])
