"""Loss in nats, its sum and what it is divided by, kept apart until somebody reads them."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional


def nats(logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    """Return the weighted sum of -ln p(target) over (B, T), for logits (B, T, V)."""
    flat, wanted = logits.flatten(0, 1), targets.flatten()
    if weights is None:
        return functional.cross_entropy(flat, wanted, reduction="sum")
    return (functional.cross_entropy(flat, wanted, reduction="none") * weights.flatten()).sum()


def perplexity(loss: float) -> float | None:
    """Return exp(loss), or None where that is too large for a float."""
    try:
        return math.exp(loss)
    except OverflowError:
        return None
