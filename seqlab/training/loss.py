"""Loss in nats."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def token_nats(logits: Tensor, targets: Tensor) -> Tensor:
    """Return -ln p(target), (B, T), for logits (B, T, V); at least in float32."""
    exact = logits if logits.dtype == torch.float64 else logits.float()
    flat = functional.cross_entropy(exact.flatten(0, 1), targets.flatten(), reduction="none")
    return flat.view(targets.shape)


def perplexity(loss: float) -> float | None:
    """Return exp(loss), or None where that is too large for a float."""
    try:
        return math.exp(loss)
    except OverflowError:
        return None
