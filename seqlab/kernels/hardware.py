"""What this processor and this torch have: looked up once, and declared as a value."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqlab.kernels import tuning


class Processor(NamedTuple):
    """What kernels are chosen by.

    Args:
        wide_mkl: whether MKL, which torch calls for products, takes its widest kernels; on AMD's
            processors it uses half their width or less.
        bfloat16: whether there are instructions for it, so that it gains something.
        onednn_bfloat16: whether oneDNN has a recurrent layer for it here.
    """

    wide_mkl: bool
    bfloat16: bool
    onednn_bfloat16: bool


@cache
def processor() -> Processor:
    """Return what there is here."""
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # nothing before 2.11
    return Processor(
        wide_mkl=bool(torch._C.has_mkl) and "Intel" in str(known.get("cpu_name", "")),
        bfloat16=bool(known.get("avx512_bf16") or known.get("amx_bf16")),
        onednn_bfloat16=bool(torch._C._has_mkldnn and torch.ops.mkldnn._is_mkldnn_bf16_supported()),
    )


def fewer_digits_pay(multiplications: int) -> bool:
    """Return whether autocast makes such a product faster, conversions included."""
    least = tuning.AUTOCAST_WIDE if processor().wide_mkl else tuning.AUTOCAST_NARROW
    return multiplications >= least


def product_dtype(weight: Tensor) -> torch.dtype:
    """Return what large products with a weight are computed in: its own dtype, or autocast's."""
    device = weight.device.type
    if weight.dtype != torch.float32 or not torch.is_autocast_enabled(device):
        return weight.dtype
    return torch.get_autocast_dtype(device)
