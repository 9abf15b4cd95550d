"""Matrix products by the quickest kernel that torch has on the machine.

Shapes: N rows, K summed, M columns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST = 2**20  # N K M from which oneDNN's start is paid back
MANY_ROWS = 16  # from here on oneDNN's product with a weight in its own layout is faster


def product(rows: Tensor, matrix: Tensor, add: Tensor | None = None) -> Tensor:
    """Return rows (N, K) @ matrix (K, M) + add (N, M), computed in the dtype of the matrix.

    For inside a `torch.autograd.Function`: it has no gradient of its own. float32 goes to oneDNN
    where the processor has AVX-512, since the BLAS that torch calls may use half of its width (on
    AMD it does). Which kernel is taken depends on the machine and the sizes alone.
    """
    rows = rows.to(matrix.dtype)
    if not _suits_onednn(rows, matrix):
        if add is not None and add.dtype == matrix.dtype:
            return torch.addmm(add, rows, matrix)
        found = rows @ matrix
        return found if add is None else add + found
    kernel = torch.ops.mkldnn._linear_pointwise
    if add is None:
        return cast("Tensor", kernel(rows, matrix.t(), None, "none", [], ""))
    return cast("Tensor", kernel.binary(rows, add, matrix.t(), None, "add"))


def linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Equal `torch.nn.functional.linear`, by the kernels of `product`: (..., K) -> (..., M)."""
    if not _suits_onednn(inputs, weight.t()) or torch.is_autocast_enabled(inputs.device.type):
        return functional.linear(inputs, weight, bias)
    return cast("Tensor", cast("Any", _Linear.apply)(inputs, weight, bias))


def steady_linear(weight: Tensor, bias: Tensor) -> Callable[[Tensor], Tensor]:
    """Return `torch.nn.functional.linear` as a function of (N, K), for weights that stay.

    In float32 on a CPU many rows go through oneDNN, with a copy of the weight in its layout that is
    made when it is first needed. It has no gradient.
    """
    weight, bias = weight.detach(), bias.detach()
    fast = weight.is_cpu and weight.dtype == torch.float32 and _has_onednn()
    laid_out: list[Tensor] = []

    def apply(rows: Tensor) -> Tensor:
        if not fast or len(rows) < MANY_ROWS:
            return functional.linear(rows, weight, bias)
        if not laid_out:
            laid_out.append(torch.ops.mkldnn._reorder_linear_weight(weight, len(rows)))
        kernel = torch.ops.mkldnn._linear_pointwise
        return cast("Tensor", kernel(rows, laid_out[0], bias, "none", [], ""))

    return apply


def product_dtype(weight: Tensor) -> torch.dtype:
    """Return what products with a weight are computed in: its own dtype, or that of autocast."""
    kind = weight.device.type
    if weight.dtype == torch.float32 and torch.is_autocast_enabled(kind):
        return torch.get_autocast_dtype(kind)
    return weight.dtype


def outer(left: Tensor, right: Tensor, dtype: torch.dtype) -> Tensor:
    """Sum the outer products of rows (N, K) and (N, M): (K, M). For a weight's gradient."""
    # oneDNN reads a transposed matrix well on its right only; the narrow side is copied.
    if left.shape[1] <= right.shape[1]:
        return product(left.to(dtype).t(), right.to(dtype))
    return product(right.to(dtype).t(), left.to(dtype)).t()


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
            outer(gradient, inputs.flatten(0, -2), weight.dtype) if wanted[1] else None,
            gradient.sum(0) if wanted[2] else None,
        )


def _backward_of_linear(inputs: Tensor, weight: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
    flat = gradient.flatten(0, -2)
    return gradient @ weight, flat.t() @ inputs.flatten(0, -2), flat.sum(0)


def _suits_onednn(rows: Tensor, matrix: Tensor) -> bool:
    return (
        rows.dtype == matrix.dtype == torch.float32
        and rows.device.type == "cpu"
        and rows.numel() * matrix.shape[1] >= SMALLEST
        and not torch.compiler.is_compiling()
        and _has_wide_onednn()
    )


@cache
def _has_wide_onednn() -> bool:
    return torch.backends.cpu.get_cpu_capability() == "AVX512" and _has_onednn()


def _has_onednn() -> bool:
    return torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")
