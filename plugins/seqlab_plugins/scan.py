"""Linear recurrences over a whole window at once.

Shapes: B rows, T window, and whatever the state of a row has besides.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor


def linear_scan(decay: Tensor, inputs: Tensor, initial: Tensor) -> Tensor:
    """Return every h_t = a_t h_{t-1} + b_t, of shape (B, T, ...).

    Neighbours are joined to steps of twice the length, down to one step, and back: Blelloch,
    "Prefix sums and their applications", 1990. That is a few operations on long tensors for each
    doubling, in place of T on short ones. It only multiplies and adds, as stepping does; in the
    logarithms that the paper of minGRU uses, small differences of large numbers lose digits.

    Args:
        decay: a, (B, T, ...).
        inputs: b, (B, T, ...).
        initial: h_0, (B, ...); its dtype is computed in.
    """
    dtype = initial.dtype
    scan = cast("Any", _LinearScan.apply)
    return cast("Tensor", scan(decay.to(dtype), inputs.to(dtype), initial))


class _LinearScan(torch.autograd.Function):
    """The backward of a scan is a scan from the end: l_t = g_t + a_{t+1} l_{t+1}.

    Written as one, it keeps h alone; autograd would keep every level of the way down.
    """

    @staticmethod
    def forward(ctx: Any, decay: Tensor, inputs: Tensor, initial: Tensor) -> Tensor:
        states = _scan(decay, inputs, initial)
        ctx.save_for_backward(decay, initial, states)
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        decay, initial, states = ctx.saved_tensors
        (gradient,) = gradients
        # 0, T - 1, ..., 1: what the first is does not matter, since this scan starts from zeros.
        backwards = -torch.arange(decay.shape[1], device=decay.device) % decay.shape[1]
        onwards = decay.index_select(1, backwards)
        total = linear_scan(onwards, gradient.flip(1), torch.zeros_like(initial)).flip(1)
        before = torch.cat((initial.unsqueeze(1), states[:, :-1]), 1)
        return total * before, total, total[:, 0] * decay[:, 0]


def _scan(decay: Tensor, inputs: Tensor, initial: Tensor) -> Tensor:
    """Scan without a gradient of its own."""
    first = torch.addcmul(inputs[:, 0], decay[:, 0], initial)
    if inputs.shape[1] == 1:
        return first.unsqueeze(1)
    # Counted from 0: an odd step and the even one before it make one step of half as many.
    odd, even = decay[:, 1::2], inputs[:, ::2]
    pairs = odd.shape[1]
    joined = torch.addcmul(inputs[:, 1::2], odd, even[:, :pairs])
    ends = _scan(odd * decay[:, ::2][:, :pairs], joined, initial)
    states = torch.empty_like(inputs)
    states[:, 0], states[:, 1::2] = first, ends
    between = ends[:, : even.shape[1] - 1]
    torch.addcmul(even[:, 1:], decay[:, 2::2], between, out=states[:, 2::2])
    return states
