"""Loss in nats, of logits or of the head's inputs.

Shapes: B rows, T window, O size of the outputs, V vocabulary size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqlab import kernels


def token_nats(logits: Tensor, targets: Tensor) -> Tensor:
    """Return -ln p(target), (B, T), for logits (B, T, V); at least in float32."""
    logits = logits if logits.dtype == torch.float64 else logits.float()
    flat = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return flat.view(targets.shape)


def head_loss(
    head: nn.Linear, hidden: Tensor, targets: Tensor, shares: Tensor | float
) -> tuple[Tensor, Tensor]:
    """Return the sum of shares * nats, and the nats (B, T), which have no gradient.

    Equal to `token_nats` of the head's logits, which are never held all at once.

    Args:
        head: its weight is (V, O).
        hidden: its inputs, (B, T, O).
        targets: (B, T).
        shares: the weight of each target, (B, T), or of all.
    """
    flat = shares.flatten() if isinstance(shares, Tensor) else shares
    loss, nats = kernels.head_loss(
        hidden.flatten(0, 1), head.weight, head.bias, targets.flatten(), flat
    )
    return loss, nats.view(targets.shape)


@torch.no_grad()
def score(head: nn.Linear, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nats, and whether the most probable token is the target, (B, T) each."""
    rows, labels = hidden.flatten(0, 1), targets.flatten()
    parts = []
    for chunk in kernels.chunks(len(rows), head.weight):
        logits = functional.linear(rows[chunk], head.weight, head.bias)
        nats = token_nats(logits.unsqueeze(0), labels[chunk].unsqueeze(0))
        parts.append((nats.squeeze(0), logits.argmax(-1) == labels[chunk]))
    all_nats, right = (torch.cat(part).view(targets.shape) for part in zip(*parts, strict=True))
    return all_nats, right


def perplexity(loss: float) -> float | None:
    """Return exp(loss), or None if that is too large for a float."""
    try:
        return math.exp(loss)
    except OverflowError:
        return None
