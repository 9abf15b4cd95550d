"""Matrix products by the quickest kernel that torch has on the machine.

Shapes: N rows, K summed, M columns.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from seqlab.model.kernels import contiguous, has_onednn_for, mkl_is_quick

LINE = 64  # bytes of a cache
ONEDNN_FROM = 2**24  # from which N K M on oneDNN is quicker than the BLAS
# From which N K M is quicker in fewer digits, conversions counted: where MKL is slow, and quick.
WORTH_FEWER_DIGITS = (2**22, 3 * 2**22)


def product(rows: Tensor, matrix: Tensor, add: Tensor | None = None) -> Tensor:
    """Return rows (N, K) @ matrix (K, M) + add (N, M), computed in the dtype of the matrix.

    For inside a `torch.autograd.Function`: it has no gradient of its own. Large ones in float32 go
    to oneDNN where the processor has AVX-512 and the BLAS that torch calls uses half of its width.
    Which kernel is taken depends on the machine and the sizes alone.
    """
    rows = rows.to(matrix.dtype)
    if not _suits_onednn(rows, matrix):
        if add is not None and add.dtype == matrix.dtype:
            return torch.addmm(add, rows, matrix)
        return plus(rows @ matrix, add)
    kernel, weight = torch.ops.mkldnn._linear_pointwise, _dense(matrix).t()
    if add is None:
        return cast("Tensor", kernel(rows, weight, None, "none", [], ""))
    return cast("Tensor", kernel.binary(rows, add, weight, None, "add"))


def aligned_product(rows: Tensor, matrix: Tensor) -> Tensor:
    """Equal `product`, but in float32 a BLAS begins each row of the result at a full line.

    With rows of 1,027 numbers side by side MKL takes a fifth longer on an AMD, or more.
    """
    kept = rows.dtype == matrix.dtype == torch.float32 and rows.is_cpu
    if not kept or _suits_onednn(rows, matrix) or torch.compiler.is_compiling():
        return product(rows, matrix)
    columns, line = matrix.shape[1], LINE // matrix.itemsize
    room = matrix.new_empty(len(rows), -(-columns // line) * line)[:, :columns]
    return torch.mm(rows, matrix, out=room)


def linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Equal `torch.nn.functional.linear`, by the kernels of `product`: (..., K) -> (..., M)."""
    if not _suits_onednn(inputs, weight.t()) or torch.is_autocast_enabled(inputs.device.type):
        return functional.linear(inputs, weight, bias)
    return cast("Tensor", cast("Any", _Linear.apply)(inputs, weight, bias))


def plus(found: Tensor, add: Tensor | None) -> Tensor:
    """Add what may be added, in the dtype of the wider."""
    return found if add is None else add + found


def product_dtype(weight: Tensor, rows: int | None = None) -> torch.dtype:
    """Return what products with a weight are computed in: its own dtype, or that of autocast.

    Args:
        weight: what is multiplied with.
        rows: how many are multiplied at once, where a CPU may have too few to gain from autocast.
    """
    kind = weight.device.type
    worth = WORTH_FEWER_DIGITS[mkl_is_quick()]
    small = weight.is_cpu and rows is not None and rows * weight.numel() < worth
    if weight.dtype != torch.float32 or small or not torch.is_autocast_enabled(kind):
        return weight.dtype
    return torch.get_autocast_dtype(kind)


def outer(left: Tensor, right: Tensor, dtype: torch.dtype, add: Tensor | None = None) -> Tensor:
    """Sum the outer products of rows (N, K) and (N, M), and add (K, M). For a weight's gradient.

    The rows of the result may be its columns in memory: see `contiguous`.
    """
    left, right = left.to(dtype), right.to(dtype)
    if not _suits_onednn(left.t(), right):
        return product(left.t(), right, add)
    # oneDNN reads a transposed matrix well on its right only; the narrow side is copied.
    if left.shape[1] <= right.shape[1]:
        return product(contiguous(left.t()), right, add)
    return product(contiguous(right.t()), left, None if add is None else add.t()).t()


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        return product(inputs.flatten(0, -2), weight.t()).add_(bias).view(*inputs.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        if torch.is_grad_enabled():  # somebody wants the gradient of this gradient
            return _backward_of_linear(inputs, weight, gradients[0])
        gradient = gradients[0].flatten(0, -2)
        wanted = ctx.needs_input_grad
        return (
            product(gradient, weight).view_as(inputs) if wanted[0] else None,
            contiguous(outer(gradient, inputs.flatten(0, -2), weight.dtype)) if wanted[1] else None,
            gradient.sum(0) if wanted[2] else None,
        )


def _backward_of_linear(inputs: Tensor, weight: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
    flat = gradient.flatten(0, -2)
    return gradient @ weight, flat.t() @ inputs.flatten(0, -2), flat.sum(0)


def _dense(matrix: Tensor) -> Tensor:
    """Copy a part of a matrix, or a repeated row: for them oneDNN has only a reference loop."""
    plain = matrix.is_contiguous() or matrix.t().is_contiguous()
    return matrix if plain else matrix.contiguous()


def _suits_onednn(rows: Tensor, matrix: Tensor) -> bool:
    return (
        rows.dim() > 1
        and rows.dtype == matrix.dtype == torch.float32
        and rows.device.type == "cpu"
        and rows.numel() * matrix.shape[1] >= ONEDNN_FROM
        and not torch.compiler.is_compiling()
        and has_onednn_for(torch.float32)
    )
