"""In which numbers the model computes."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from seqlab.kernels import processor


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16, so that it gains something."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return processor().bfloat16
    return False


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype that `float32`, `bfloat16` or `auto` stands for on a device."""
    if name == "bfloat16" or (name == "auto" and computes_bfloat16(device)):
        return torch.bfloat16
    return torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Compute in bfloat16 where that is asked for; parameters and state keep their own dtype."""
    return torch.autocast(device.type, dtype=dtype, enabled=dtype == torch.bfloat16)
