"""Logits in -> what the loss is, and what its gradient is made of, in their place.

Shapes: N tokens, V vocabulary size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqlab.model.cores import on_all_cores, why_not_compiled

COMPILED_FROM = 2**20  # N V from which on loading a compiler, once in a process, is worth the wait


def errors(logits: Tensor, bias: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Turn logits (N, V) without their bias (V,) into errors, for targets (N,).

    An error is p - 1 at the target and p elsewhere, times the sum that p is divided by. Where there
    is Numba, a compiled loop goes over a row once instead of eight times over all of them.

    Returns:
        The nats (N,), the errors (N, V) where the logits were, and the sums (N,).
    """
    plain = logits.is_cpu and logits.dtype == bias.dtype == torch.float32 and logits.stride(1) == 1
    large = logits.numel() >= COMPILED_FROM and not torch.compiler.is_compiling()
    if not (plain and large) or why_not_compiled():
        return _by_torch(logits.add_(bias), targets.unsqueeze(1))
    return _by_a_loop(logits, bias, targets)


def _by_a_loop(logits: Tensor, bias: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    from seqlab.training.error_loops import errors

    rows, columns = logits.shape
    smallest, largest = map(int, targets.aminmax())
    if not 0 <= smallest <= largest < columns:
        raise IndexError(f"targets are {smallest} … {largest}; there are {columns} tokens")
    nats, sums = logits.new_empty(2, rows).unbind()
    wide = logits.as_strided((rows, logits.stride(0)), (logits.stride(0), 1))  # as it was allocated
    on_all_cores(errors, rows, wide, bias.contiguous(), targets.contiguous(), nats, sums)
    return nats, logits, sums


def _by_torch(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    largest = logits.amax(1, keepdim=True)
    below = largest - logits.gather(1, targets)
    powers = logits.sub_(largest).exp_()
    sums = powers.sum(1, keepdim=True)
    nats = (below + sums.log()).squeeze(1)
    return nats, powers.scatter_add_(1, targets, -sums), sums.squeeze(1)
