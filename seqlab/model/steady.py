"""A linear map whose weight stays, by what is quickest for the rows that come.

Shapes: N rows, K summed, M columns.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor

from seqlab.model.kernels import contiguous, has_onednn_for

LAID_OUT_FROM = 2**22  # from which N K M is worth laying out the weight
MANY_ROWS = 16  # fewer never fill its blocks
# Up to which K M, and N K M of more rows, numpy is taken: a call of it costs less than one of
# torch's. What is larger its BLAS splits over threads of its own, which beside torch's and those
# of other processes wait for each other.
ONE_ROW, FEW_ROWS = 450_000, 2**18


class Linear(Protocol):
    """A linear map of rows, (N, K) -> (N, M)."""

    def __call__(self, rows: Tensor, /) -> Tensor: ...

    def add_to(self, total: Tensor, rows: Tensor, /) -> None:
        """Add what it gives to a total, (N, M)."""


def steady_linear(weight: Tensor, bias: Tensor | None = None) -> Linear:
    """Return what gives rows (N, K) @ weight^T + bias (M,), for a weight that stays.

    It is computed in the dtype of the weight (M, K), and has no gradient. On a CPU small products
    of a few rows go to numpy, and large ones of many to the quicker of torch's libraries, each with
    a copy of the weight as it reads it best, which is made when it is first needed.
    """
    return _Steady(weight.detach(), None if bias is None else bias.detach())


class _Steady:
    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight = weight
        self._bias = bias
        self._dtype = weight.dtype
        self._laid_out: Tensor | None = None
        here = weight.is_cpu and not torch.compiler.is_compiling()
        self._onednn = here and has_onednn_for(weight.dtype)
        self._few = _few_rows(weight) if here else 0
        self._many = _many_rows(weight) if here else math.inf

    def __call__(self, rows: Tensor, /) -> Tensor:
        rows = self._taken(rows)
        count = rows.shape[0]
        if 0 < count <= self._few:
            return self._by_numpy(rows)
        if self._onednn and count >= self._many:
            return self._by_onednn(rows)
        matrix = self._matrix_for(count)
        return rows @ matrix if self._bias is None else torch.addmm(self._bias, rows, matrix)

    def add_to(self, total: Tensor, rows: Tensor, /) -> None:
        count = rows.shape[0]
        blas = count > self._few and not (self._onednn and count >= self._many)
        if blas and self._bias is None and total.dtype == rows.dtype == self._dtype:
            total.addmm_(self._taken(rows), self._matrix_for(count))
        else:
            total += self(rows)

    def _taken(self, rows: Tensor) -> Tensor:
        rows = rows.detach() if rows.requires_grad else rows
        return rows if rows.dtype == self._dtype else rows.to(self._dtype)

    def _by_numpy(self, rows: Tensor) -> Tensor:
        values = rows.numpy()
        with np.errstate(all="ignore"):  # as torch does
            found = values @ (self._matrix if len(values) == 1 else self._transposed.numpy())
            if self._bias is not None:
                found += self._added
        return torch.from_numpy(found)

    def _by_onednn(self, rows: Tensor) -> Tensor:
        if self._laid_out is None:
            self._laid_out = torch.ops.mkldnn._reorder_linear_weight(self._weight, len(rows))
        kernel = torch.ops.mkldnn._linear_pointwise
        return cast("Tensor", kernel(rows, self._laid_out, self._bias, "none", [], ""))

    def _matrix_for(self, rows: int) -> Tensor:
        return self._transposed if rows >= self._many else self._weight.t()

    @cached_property
    def _matrix(self) -> np.ndarray:
        return self._weight.numpy().T  # (K, M)

    @cached_property
    def _transposed(self) -> Tensor:
        return contiguous(self._weight.t())

    @cached_property
    def _added(self) -> np.ndarray:
        return cast("Tensor", self._bias).numpy()


def _few_rows(weight: Tensor) -> int:
    """Up to how many rows are numpy's."""
    if weight.dtype.itemsize < 4:  # it computes in nothing smaller
        return 0
    several = min(FEW_ROWS // max(weight.numel(), 1), MANY_ROWS - 1)
    return max(several, int(weight.numel() <= ONE_ROW))


def _many_rows(weight: Tensor) -> float:
    """From how many rows on the weight is laid out for them."""
    return max(LAID_OUT_FROM / max(weight.numel(), 1), MANY_ROWS)
