"""The dtype that the model computes in."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from seqlab.kernels import processor


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and processor().bfloat16


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype for `float32`, `bfloat16` or `auto` on a device."""
    if name == "bfloat16" or (name == "auto" and computes_bfloat16(device)):
        return torch.bfloat16
    return torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Compute in bfloat16 if that is `dtype`; parameters and state keep theirs."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype == torch.bfloat16)
