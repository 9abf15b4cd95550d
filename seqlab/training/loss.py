"""Loss in nats, of the head's logits or of what the head is applied to.

Shapes: B rows, T window, N = B T tokens, O size of the outputs, V vocabulary size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from seqlab.model.kernels import contiguous
from seqlab.model.products import aligned_product, linear, outer, product, product_dtype
from seqlab.training.errors import errors

LOGITS_AT_ONCE = 2**21  # on a CPU: 8 MB stay in the cache
LOGITS_AT_ONCE_ELSEWHERE = 2**26  # on a GPU a launch costs more than memory does
FEWEST_ROWS = 128  # for which the head's weight is worth being read


def token_nats(logits: Tensor, targets: Tensor) -> Tensor:
    """Return -ln p(target), (B, T), for logits (B, T, V); at least in float32."""
    exact = logits if logits.dtype == torch.float64 else logits.float()
    flat = functional.cross_entropy(exact.flatten(0, 1), targets.flatten(), reduction="none")
    return flat.view(targets.shape)


def head_loss(
    head: nn.Linear, hidden: Tensor, targets: Tensor, shares: Tensor | float
) -> tuple[Tensor, Tensor]:
    """Return the sum over all tokens of share x nats, and the nats (B, T), which have no gradient.

    Equal `token_nats` of the head's logits, but these are never whole: a few rows of them at a time
    are made, scored, and turned into the gradients of what they were made from. So the gradients
    are there before `backward`, which may be called once. Under autocast the products are computed
    in its dtype, the rest in float32.

    Args:
        head: its weight is (V, O).
        hidden: what it is applied to, (B, T, O).
        targets: (B, T).
        shares: how much each token counts, (B, T), or all of them.
    """
    flat = shares.flatten() if isinstance(shares, Tensor) else shares
    learnt = [hidden.flatten(0, 1), head.weight, head.bias]
    if not torch.is_grad_enabled():
        learnt = [tensor.detach() for tensor in learnt]  # so that no gradients are made
    dtype = product_dtype(head.weight)
    with torch.autocast(hidden.device.type, enabled=False):
        loss, nats = cast("Any", _HeadLoss.apply)(*learnt, targets.flatten(), flat, dtype)
    return loss, nats.view(targets.shape)


@torch.no_grad()
def score(head: nn.Linear, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return nats, and whether the likeliest token is the target, without gradients: (B, T)."""
    rows, wanted = hidden.flatten(0, 1), targets.flatten()
    parts = []
    for chunk in _chunks(len(rows), head.weight):
        logits = linear(rows[chunk], head.weight, head.bias)
        nats = token_nats(logits.unsqueeze(0), wanted[chunk].unsqueeze(0))
        parts.append((nats.squeeze(0), logits.argmax(-1) == wanted[chunk]))
    nats, right = (torch.cat(found).view(targets.shape) for found in zip(*parts, strict=True))
    return nats, right


def perplexity(loss: float) -> float | None:
    """Return exp(loss), or None where that is too large for a float."""
    try:
        return math.exp(loss)
    except OverflowError:
        return None


def _chunks(rows: int, weight: Tensor) -> Iterator[slice]:
    """Cut the rows into parts of nearly one size, whose logits are held at once."""
    room = LOGITS_AT_ONCE if weight.is_cpu else LOGITS_AT_ONCE_ELSEWHERE
    parts = -(-rows // max(room // len(weight), FEWEST_ROWS))
    size = -(-rows // parts) if parts else 1
    return (slice(first, first + size) for first in range(0, rows, size))


class _HeadLoss(torch.autograd.Function):
    """The gradient of the nats with respect to the logits is p - 1 at the target and p elsewhere.

    The sum that p is divided by and the share of a token are factors of a row, so the narrow
    matrices take them, not the logits. One share of all tokens is a factor of everything, and waits
    for that of the loss.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        shares: Tensor | float,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        exact = torch.float64 if weight.dtype == torch.float64 else torch.float32
        matrix = weight.to(dtype)
        nats = hidden.new_empty(len(hidden), dtype=exact)
        counts = shares.to(exact).expand(len(hidden)) if isinstance(shares, Tensor) else 1
        into, into_bias = torch.empty_like(hidden), torch.zeros_like(bias)
        into_weight = None
        for chunk in _chunks(len(hidden), weight):
            rows = hidden[chunk]
            logits = aligned_product(rows, matrix.t()).to(exact)
            nats[chunk], wrong, sums = errors(logits, bias, targets[chunk])
            if any(ctx.needs_input_grad):
                factor = (counts[chunk] if isinstance(counts, Tensor) else 1) / sums
                into_bias += torch.mv(wrong.t(), factor)
                wrong, factor = wrong.to(dtype), factor.unsqueeze(1)
                torch.mul(product(wrong, matrix), factor, out=into[chunk])
                found = outer(wrong, rows * factor, dtype, into_weight)
                into_weight = found.to(weight.dtype)  # sums are never kept in fewer digits
        if into_weight is not None:
            ctx.factor = 1 if isinstance(shares, Tensor) else shares
            ctx.save_for_backward(into, contiguous(into_weight), into_bias)
        ctx.mark_non_differentiable(nats)
        return (nats * shares).sum(), nats

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        factor = gradients[0] * ctx.factor
        into, weight, bias = (part.mul_(factor.to(part.dtype)) for part in ctx.saved_tensors)
        return into, weight, bias, None, None, None
