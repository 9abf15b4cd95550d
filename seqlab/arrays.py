"""The memory of tensors as arrays of numpy."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor

_ORDER = "<" if sys.byteorder == "little" else ">"
TYPES = {
    torch.float32: f"{_ORDER}f4",
    torch.float64: f"{_ORDER}f8",
    torch.int64: f"{_ORDER}i8",
}
"""The types of elements that can be read, as numpy spells them."""


class _Memory:
    """What numpy reads of a tensor."""

    def __init__(self, tensor: Tensor) -> None:
        place = tensor.data_ptr(), False  # not read-only
        kind, shape = TYPES[tensor.dtype], tuple(tensor.shape)
        self.__array_interface__ = {"data": place, "typestr": kind, "shape": shape, "version": 3}


def array_of(tensor: Tensor) -> Any:
    """Return the memory of a contiguous tensor on the CPU, which must live as long as the array.

    After `Tensor.numpy()` torch can never free that memory again while the tensor lives; here it
    can, as it must where weights are gathered layer by layer.
    """
    import numpy as np

    return np.asarray(_Memory(tensor))
