"""Which of torch's libraries is quick on this processor, and what goes to the quicker one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor

ONE = torch.ones(())
SHORT = 2**12  # numbers for which two operations more take longer than they spare
STRIDE = 512  # bytes; columns of rows that are multiples of it apart share few sets of a cache
LARGE = 2**14  # numbers from which a copy is worth more than one core
BLOCK = 512  # columns whose copy stays in a cache


def capabilities() -> Mapping[str, Any]:
    """Return what torch knows of the processor: nothing, before 2.11."""
    known = getattr(torch.cpu, "get_capabilities", None)
    return known() if known else {}


@cache
def mkl_is_quick() -> bool:
    """Return whether MKL, which torch calls for products and tanh, takes its widest kernels.

    It does on Intel's processors. On AMD's it uses half their width or less, and oneDNN is quicker.
    """
    return bool(torch._C.has_mkl) and "Intel" in str(capabilities().get("cpu_name", ""))


@cache
def has_onednn_for(dtype: torch.dtype) -> bool:
    """Return whether oneDNN is the library to take for products of a dtype."""
    if not (torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")):
        return False
    if dtype == torch.bfloat16:
        return cast("bool", torch.ops.mkldnn._is_mkldnn_bf16_supported())
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return dtype == torch.float32 and wide and not mkl_is_quick()


def tanh(values: Tensor, out: Tensor) -> Tensor:
    """Write tanh; where MKL's is slow as 1 - 2 sigmoid(-2 x), which takes a quarter of the time.

    In float32 the two differ by 1e-7 at most, whatever x is. There is no gradient.
    """
    narrow = values.dtype.itemsize < 4 or values.numel() < SHORT
    if narrow or not values.is_cpu or mkl_is_quick():
        return torch.tanh(values, out=out)
    torch.mul(values, -2, out=out).sigmoid_()
    return torch.sub(ONE, out, alpha=2, out=out)


def contiguous(matrix: Tensor) -> Tensor:
    """Equal `matrix.contiguous()`, without a gradient; on a CPU it transposes on all cores.

    torch copies a whole transposed matrix on one core, but parts of it on all. Rows a power of two
    apart are spread first.
    """
    matrix = matrix.detach()
    if matrix.is_contiguous() or not matrix.is_cpu or matrix.dim() != 2 or matrix.numel() < LARGE:
        return matrix.contiguous()
    rows, columns = matrix.shape
    crowded = matrix.stride(1) * matrix.itemsize % STRIDE == 0
    room = matrix.new_empty(BLOCK, rows + STRIDE // 8 // matrix.itemsize)[:, :rows]
    found = matrix.new_empty(rows, columns)
    for some in (slice(first, first + BLOCK) for first in range(0, columns, BLOCK)):
        part = matrix[:, some].t()
        found[:, some] = (room[: len(part)].copy_(part) if crowded else part).t()
    return found
