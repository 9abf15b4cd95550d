"""A linear map whose weight stays, by what is quickest for the rows that come.

Shapes: N rows, K summed, M columns.
"""

from __future__ import annotations

from functools import cached_property
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from seqlab.model.products import has_onednn_for

SMALLEST = 2**22  # from which N K M on oneDNN is quicker, with its weight laid out once
MANY_ROWS = 16  # fewer never fill oneDNN's blocks; numpy asks less for a call than torch does


class Linear(Protocol):
    """A linear map of rows, (N, K) -> (N, M), to which (N, M) may be added."""

    def __call__(self, rows: Tensor, add: Tensor | None = None, /) -> Tensor: ...


def steady_linear(weight: Tensor, bias: Tensor | None = None) -> Linear:
    """Return what gives rows (N, K) @ weight^T + bias (M,) + add (N, M), for a weight that stays.

    It is computed in the dtype of the weight, and has no gradient. On a CPU a few rows go to
    numpy and many to oneDNN, each with a copy of the weight (M, K) as it reads it best, which is
    made when it is first needed.
    """
    return _Steady(weight.detach(), None if bias is None else bias.detach())


class _Steady:
    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight = weight
        self._bias = bias
        self._dtype = weight.dtype
        self._laid_out: Tensor | None = None
        here = weight.is_cpu and not torch.compiler.is_compiling()
        self._few = here and weight.dtype.itemsize >= 4  # numpy has no smaller ones that compute
        self._many = here and has_onednn_for(weight.dtype)
        self._worth_a_layout = SMALLEST / max(len(weight), 1)  # numbers in the rows

    def __call__(self, rows: Tensor, add: Tensor | None = None, /) -> Tensor:
        if rows.dtype != self._dtype:
            rows = rows.to(self._dtype)
        if self._few and rows.shape[0] < MANY_ROWS:
            return _plus(self._by_numpy(rows), add)
        if self._many and rows.shape[0] >= MANY_ROWS and rows.numel() >= self._worth_a_layout:
            return self._by_onednn(rows, add)
        if self._bias is None and add is not None and add.dtype == self._dtype:
            return torch.addmm(add, rows, self._weight.t())
        return _plus(functional.linear(rows, self._weight, self._bias), add)

    def _by_numpy(self, rows: Tensor) -> Tensor:
        values = (rows.detach() if rows.requires_grad else rows).numpy()
        found = values @ (self._matrix if len(values) == 1 else self._transposed)
        if self._bias is not None:
            found += self._added
        return torch.from_numpy(found)

    def _by_onednn(self, rows: Tensor, add: Tensor | None) -> Tensor:
        if self._laid_out is None:
            self._laid_out = torch.ops.mkldnn._reorder_linear_weight(self._weight, len(rows))
        kernel = torch.ops.mkldnn._linear_pointwise
        if add is None or add.dtype != self._dtype:
            return _plus(kernel(rows, self._laid_out, self._bias, "none", [], ""), add)
        return cast("Tensor", kernel.binary(rows, add, self._laid_out, self._bias, "add"))

    @cached_property
    def _matrix(self) -> np.ndarray:
        return self._weight.numpy().T  # (K, M)

    @cached_property
    def _transposed(self) -> np.ndarray:
        return np.ascontiguousarray(self._matrix)

    @cached_property
    def _added(self) -> np.ndarray:
        return cast("Tensor", self._bias).numpy()


def _plus(found: Tensor, add: Tensor | None) -> Tensor:
    return found if add is None else add + found
