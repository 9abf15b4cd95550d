"""What a linear map gives for one-hots: columns of its weight, gathered.

Shapes: I inputs, M columns of outputs.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from seqlab import contiguous

FEW = 4  # columns for each id, from which on a copy of all costs more than it spares


def columns(weight: Tensor, bias: Tensor, ids: Tensor) -> Tensor:
    """Return W x + b, (..., M), where each x is the one-hot of an id. May be differentiated once.

    Args:
        weight: W, (M, I).
        bias: b, (M,).
        ids: (...).
    """
    return cast("Tensor", cast("Any", _Columns.apply)(weight, bias, ids))


class _Columns(Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, ids: Tensor) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.inputs = weight.shape[1]
        table = weight.t()
        if ids.numel() > len(table) // FEW:
            table = contiguous(table)  # then each is read at once
        return torch.embedding(table, ids).add_(bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (ids,) = ctx.saved_tensors
        rows = gradients[0].flatten(0, -2)
        table = torch.ops.aten.embedding_dense_backward(rows, ids.flatten(), ctx.inputs, -1, False)
        return contiguous(table.t()), rows.sum(0), None
