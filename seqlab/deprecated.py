"""Public names of API 1 that plain torch has taken the place of. Each warns once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqlab.contracts import GreedySteps
from seqlab.kernels import processor
from seqlab.kernels import product_dtype as _product_dtype

INSTEAD = {
    "Dropout": "torch.nn.Dropout",
    "GreedyWalk": "an operation of seqlab.kernels; `greedy_walk` of a cell is not called any more",
    "contiguous": "Tensor.contiguous()",
    "has_onednn_for": "seqlab.kernels.processor()",
    "linear": "torch.nn.functional.linear",
    "outer": "left.t() @ right",
    "product": "torch.mm or torch.addmm",
    "product_dtype": "seqlab.kernels.product_dtype",
    "steady_linear": "torch.nn.functional.linear",
    "tanh": "torch.tanh",
}

Dropout = nn.Dropout
GreedyWalk = GreedySteps
linear = functional.linear


def contiguous(matrix: Tensor) -> Tensor:
    return matrix.detach().contiguous()


def has_onednn_for(dtype: torch.dtype) -> bool:
    return dtype == torch.bfloat16 and processor().onednn_bfloat16


def tanh(values: Tensor, out: Tensor) -> Tensor:
    return torch.tanh(values, out=out)


def product_dtype(weight: Tensor, _: int | None = None) -> torch.dtype:
    return _product_dtype(weight)


def product(rows: Tensor, matrix: Tensor, add: Tensor | None = None) -> Tensor:
    found = rows.to(matrix.dtype) @ matrix
    return found if add is None else add + found


def outer(left: Tensor, right: Tensor, dtype: torch.dtype, add: Tensor | None = None) -> Tensor:
    return product(left.to(dtype).t(), right.to(dtype), add)


class _Linear:
    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self._weight, self._bias = weight.detach(), None if bias is None else bias.detach()

    def __call__(self, rows: Tensor) -> Tensor:
        return functional.linear(rows.detach().to(self._weight.dtype), self._weight, self._bias)

    def add_to(self, total: Tensor, rows: Tensor) -> None:
        total += self(rows)


steady_linear: Callable[..., _Linear] = _Linear
