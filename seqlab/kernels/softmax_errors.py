"""Logits in -> nats, and the errors that the gradient is made of, written over the logits.

Shapes: N tokens, V vocabulary size.
"""

from __future__ import annotations

from torch import Tensor

from seqlab.kernels import tuning
from seqlab.kernels.launching import on_all_cores, why_not_compiled
from seqlab.kernels.operation import Backend, Operation


def _by_torch(logits: Tensor, bias: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Write errors over the logits: p - 1 at the target, p elsewhere, each times the row's sum.

    The sum is the divisor of p, a factor of the row: it is cheaper to divide narrower matrices.

    Args:
        logits: (N, V), without bias; they are overwritten.
        bias: (V,).
        targets: (N,).

    Returns:
        The nats (N,), the errors (N, V), and the sums (N,).
    """
    logits.add_(bias)
    largest = logits.amax(1, keepdim=True)
    below = (largest - logits.gather(1, targets.unsqueeze(1))).squeeze(1)
    powers = logits.sub_(largest).exp_()
    sums = powers.sum(1)
    errors = powers.scatter_add_(1, targets.unsqueeze(1), -sums.unsqueeze(1))
    return below + sums.log(), errors, sums


def _by_loop(logits: Tensor, bias: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Read each row once; torch's operations read all rows eight times."""
    from seqlab.kernels.softmax_loops import errors

    rows, columns = logits.shape
    smallest, largest = map(int, targets.aminmax())
    if not 0 <= smallest <= largest < columns:
        raise IndexError(f"targets are {smallest} … {largest}; there are {columns} tokens")
    if logits.stride(1) != 1:
        return _by_torch(logits, bias, targets)
    nats, sums = logits.new_empty(2, rows).unbind()
    wide = logits.as_strided((rows, logits.stride(0)), (logits.stride(0), 1))  # as it was allocated
    on_all_cores(errors, rows, wide, bias.contiguous(), targets.contiguous(), nats, sums)
    return nats, logits, sums


NUMBA = Backend(
    "numba",
    _by_loop,
    least_work=tuning.SOFTMAX_NUMBA,
    available=lambda: not why_not_compiled(),
)
softmax_errors = Operation(
    _by_torch, shapes=("N V", "V", "N"), work="N V", backends=lambda: [NUMBA]
)
