"""Loss in nats, of logits or of hidden outputs.

Shapes: B rows, T window, O size of the hidden outputs, V vocabulary size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from seqlab import kernels
from seqlab.contracts import Head, offered
from seqlab.model.linear_head import is_linear


def token_nats(logits: Tensor, targets: Tensor) -> Tensor:
    """Return -ln p(target), (B, T), for logits (B, T, V); at least in float32."""
    logits = logits if logits.dtype == torch.float64 else logits.float()
    flat = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return flat.view(targets.shape)


def head_loss(
    head: Head, hidden: Tensor, targets: Tensor, shares: Tensor | float
) -> tuple[Tensor, Tensor]:
    """Return the sum of shares * nats, and the nats (B, T), which have no gradient.

    Nats are -ln p(target). The logits of a head with a loss of its own need not be held at once.

    Args:
        head: the head of the model.
        hidden: its inputs, (B, T, O).
        targets: (B, T).
        shares: the share of each target, (B, T), or of every one.
    """
    flat = shares.flatten() if isinstance(shares, Tensor) else shares
    loss, nats = _loss_of(head)(hidden.flatten(0, 1), targets.flatten(), flat)
    return loss, nats.view(targets.shape)


def _loss_of(head: Head) -> Callable[..., tuple[Tensor, Tensor]]:
    own = offered(head, "loss")
    if own is None and is_linear(head):
        return lambda hidden, *rest: kernels.linear_loss(hidden, head.weight, head.bias, *rest)
    return own or partial(_loss_of_logits, head)


def _loss_of_logits(
    head: Head, hidden: Tensor, targets: Tensor, shares: Tensor | float
) -> tuple[Tensor, Tensor]:
    nats = token_nats(head(hidden).unsqueeze(0), targets.unsqueeze(0)).squeeze(0)
    return (nats * shares).sum(), nats.detach()


@torch.no_grad()
def head_scores(head: Head, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nats, and whether the most probable token is the target, (B, T) each.

    Args:
        head: the head of the model.
        hidden: its inputs, (B, T, O).
        targets: (B, T).
    """
    rows, labels = hidden.flatten(0, 1), targets.flatten()
    vocabulary = head.out_features if is_linear(head) else head(rows[:1]).shape[-1]
    parts = []
    for chunk in kernels.chunks(rows, vocabulary):
        logits = head(rows[chunk])
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
