"""The loss of a linear head, whose logits are never whole.

Shapes: N tokens, O size of what the head is applied to, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from seqlab.kernels import tuning
from seqlab.kernels.hardware import product_dtype
from seqlab.kernels.operation import Backend, Operation
from seqlab.kernels.softmax_errors import softmax_errors


def _in_lines(rows: Tensor, matrix: Tensor) -> Tensor:
    columns, line = matrix.shape[1], tuning.LINE // matrix.itemsize
    room = matrix.new_empty(len(rows), -(-columns // line) * line)[:, :columns]
    return torch.mm(rows, matrix, out=room)


product_in_lines = Operation[Tensor, Tensor, Tensor](
    torch.mm, shapes=("N K", "K M"), work="N K M", backends=lambda: [Backend("blas", _in_lines)]
)
"""Rows (N, K) @ matrix (K, M); each row of the result may begin at a line of the cache."""


def _from_logits(
    hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, shares: Tensor | float
) -> tuple[Tensor, Tensor]:
    """Return the sum of share * nats, and the nats (N,), which have no gradient.

    Nats are -ln p(target), in float32 or float64.

    Args:
        hidden: (N, O).
        weight: of the head, (V, O).
        bias: (V,).
        targets: (N,).
        shares: the weight of each token, (N,), or of every token.
    """
    logits = functional.linear(hidden, weight, bias)  # (N, V)
    exact = logits if logits.dtype == torch.float64 else logits.float()
    nats = functional.cross_entropy(exact, targets, reduction="none")  # (N,)
    return (nats * shares).sum(), nats.detach()


def _in_chunks(
    hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, shares: Tensor | float
) -> tuple[Tensor, Tensor]:
    """Compute a few rows of logits at a time, their nats, and at once their gradients.

    So gradients exist before `backward`, which may be called once. Under autocast products compute
    in its dtype, the rest in float32.
    """
    inputs = [hidden, weight, bias]
    if not torch.is_grad_enabled():
        inputs = [tensor.detach() for tensor in inputs]  # then no gradients are computed
    dtype, apply = product_dtype(weight), cast("Any", _LinearLoss.apply)
    with torch.autocast(hidden.device.type, enabled=False):
        return cast("tuple[Tensor, Tensor]", apply(*inputs, targets, shares, dtype))


def chunks(hidden: Tensor, vocabulary: int) -> Iterator[slice]:
    """Cut rows (N, …) into chunks of nearly equal size, whose logits fit."""
    rows, room = len(hidden), tuning.LOGITS_AT_ONCE_CPU if hidden.is_cpu else tuning.LOGITS_AT_ONCE
    size = -(-rows // max(-(-rows // max(room // vocabulary, tuning.LOGIT_ROWS)), 1)) or 1
    return (slice(first, first + size) for first in range(0, rows, size))


class _LinearLoss(torch.autograd.Function):
    """The gradient of the nats with respect to the logits is p - 1 at the target, p elsewhere.

    The divisor of p and the share of a token are factors of a row, so they multiply the narrow
    matrices and not the logits. A common share is a factor of everything, and is multiplied with
    the gradient of the loss.
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
        counts = shares.to(exact) if isinstance(shares, Tensor) else None
        grad_hidden, grad_bias, grad_weight = torch.empty_like(hidden), torch.zeros_like(bias), None
        for chunk in chunks(hidden, len(weight)):
            rows = hidden[chunk]
            logits = product_in_lines(rows.to(dtype), matrix.t()).to(exact)
            nats[chunk], errors, sums = softmax_errors(logits, bias, targets[chunk])
            if any(ctx.needs_input_grad):
                factor = (1 if counts is None else counts[chunk]) / sums
                grad_bias += torch.mv(errors.t(), factor)
                errors, factor = errors.to(dtype), factor.unsqueeze(1)
                torch.mul(errors @ matrix, factor, out=grad_hidden[chunk])
                grad_weight = _add_product(grad_weight, errors.t(), (rows * factor).to(dtype))
        if grad_weight is not None:
            ctx.factor = 1 if isinstance(shares, Tensor) else shares
            ctx.save_for_backward(grad_hidden, grad_weight.to(weight.dtype), grad_bias)
        ctx.mark_non_differentiable(nats)
        return (nats * shares).sum(), nats

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        factor = grad_loss * ctx.factor
        hidden, weight, bias = (part.mul_(factor.to(part.dtype)) for part in ctx.saved_tensors)
        return hidden, weight, bias, None, None, None


def _add_product(total: Tensor | None, left: Tensor, right: Tensor) -> Tensor:
    """Add left @ right to a total in float32 or float64."""
    if total is None:
        first = left @ right
        return first.float() if first.dtype.itemsize < 4 else first
    return total.addmm_(left, right) if total.dtype == left.dtype else total.add_(left @ right)


BACKENDS = (Backend("chunks", _in_chunks, None, ()),)
linear_loss = Operation(
    _from_logits,
    shapes=("N O", "V O", "V", "N", "N"),
    work="N V O",
    backends=lambda: BACKENDS,
)
