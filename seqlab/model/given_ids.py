"""Token ids that a person gave, checked: lists, arrays or tensors of (T,) or (B, T)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from seqlab.errors import UsageError

TokenIds: TypeAlias = Tensor | Sequence[int] | Sequence[Sequence[int]]


def checked_ids(ids: Any, vocabulary: int, device: torch.device) -> Tensor:
    """Return ids as a tensor of int64 on a device.

    Raises:
        UsageError: they are not whole numbers in one or two dimensions, or one is no token id.
    """
    try:
        tensor = torch.as_tensor(ids, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        problem = str(error).partition("\n")[0]
        raise UsageError(f"ids should be token ids of (T,) or (B, T): {problem}") from None
    if tensor.dtype == torch.bool or tensor.is_floating_point() or tensor.is_complex():
        kind = str(tensor.dtype).removeprefix("torch.")
        raise UsageError(f"ids should be whole numbers, not of type {kind}")
    if tensor.ndim not in (1, 2) or not tensor.numel():
        raise UsageError(f"ids should be (T,) or (B, T), not {tuple(tensor.shape)}")
    least, most = map(int, tensor.aminmax())
    if least < 0 or most >= int(vocabulary):
        wrong = least if least < 0 else most
        raise UsageError(f"ids: {wrong} is no token id; they are 0 to {int(vocabulary) - 1}")
    return tensor.long()
