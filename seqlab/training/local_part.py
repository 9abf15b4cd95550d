"""The part of a tensor that this process has."""

from __future__ import annotations

from typing import cast

from torch import Tensor


def local_part(tensor: Tensor) -> Tensor:
    """Return the memory of a share of a sharded tensor; of another tensor, itself."""
    to_local = getattr(tensor, "to_local", None)  # of a DTensor, whose import takes a second
    return tensor if to_local is None else cast("Tensor", to_local())
