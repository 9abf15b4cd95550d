"""What a linear map gives for one-hots: columns of its weight, gathered.

Shapes: I inputs, M columns of outputs.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from seqlab import contiguous
from seqlab_plugins.cores import compiled

COMPILED_FROM = 2**18  # N M from which on a compiled loop, once there is a compiler, is quicker
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
        ctx.inputs, ctx.loops = weight.shape[1], _compiled_for(weight, bias, ids)
        if ctx.loops is not None:
            places = ctx.loops.by_block(ids, ctx.inputs)
            ctx.save_for_backward(*places)
            return cast("Tensor", ctx.loops.gather(places, weight, bias).view(*ids.shape, -1))
        ctx.save_for_backward(ids.flatten())
        table = weight.t()
        if ids.numel() > len(table) // FEW:
            table = contiguous(table)  # then each is read at once
        return torch.embedding(table, ids).add_(bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, places = gradients[0].flatten(0, -2).contiguous(), ctx.saved_tensors
        if ctx.loops is not None:
            return ctx.loops.scatter(places, rows, ctx.inputs), rows.sum(0), None
        table = torch.ops.aten.embedding_dense_backward(rows, *places, ctx.inputs, -1, False)
        return contiguous(table.t()), rows.sum(0), None


def _compiled_for(weight: Tensor, bias: Tensor, ids: Tensor) -> ModuleType | None:
    """Return the compiled loops, where weights are large and most columns are wanted."""
    plain = all(part.is_cpu and part.dtype == torch.float32 for part in (weight, bias))
    plain = plain and bias.shape == weight.shape[:1]
    large = ids.numel() * len(weight) >= COMPILED_FROM and ids.numel() > weight.shape[1] // FEW
    return compiled() if plain and large and not torch.compiler.is_compiling() else None
