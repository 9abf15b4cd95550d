"""Linear recurrences over a whole window at once.

Shapes: B rows, T window, and whatever the state of a row has besides.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor

from seqlab_plugins.cores import compiled

COMPILED_FROM = 2**18  # numbers from which it is worth loading a compiler, once in a process


def linear_scan(decay: Tensor, inputs: Tensor, initial: Tensor) -> Tensor:
    """Return every h_t = a_t h_{t-1} + b_t, of shape (B, T, ...).

    Neighbours are joined to steps of twice the length, down to one step, and back: Blelloch,
    "Prefix sums and their applications", 1990. That is a few operations on long tensors for each
    doubling, in place of T on short ones. It only multiplies and adds, as stepping does; in the
    logarithms that the paper of minGRU uses, small differences of large numbers lose digits. On a
    CPU with Numba a compiled loop does step, in float32: it reads and writes everything once.

    Args:
        decay: a, (B, T, ...).
        inputs: b, (B, T, ...).
        initial: h_0, (B, ...); its dtype is computed in.
    """
    dtype = initial.dtype
    return _apply(decay.to(dtype), inputs.to(dtype), initial, False)


def _apply(decay: Tensor, inputs: Tensor, initial: Tensor, backwards: bool) -> Tensor:
    return cast("Tensor", cast("Any", _LinearScan.apply)(decay, inputs, initial, backwards))


class _LinearScan(torch.autograd.Function):
    """The gradient of a scan is a scan from its end: l_t = g_t + a_{t+1} l_{t+1}.

    Written as one, it keeps h alone; autograd would keep every level of the way down.
    """

    @staticmethod
    def forward(
        ctx: Any, decay: Tensor, inputs: Tensor, initial: Tensor, backwards: bool
    ) -> Tensor:
        states = inputs.new_empty(inputs.shape)
        _scan(decay, inputs, initial, states, backwards)
        ctx.save_for_backward(decay, initial, states)
        ctx.backwards = backwards
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        decay, initial, states = ctx.saved_tensors
        (gradient,) = gradients
        found = _compiled_for(decay, gradient, initial)
        if found and not torch.is_grad_enabled():  # nobody wants the gradient of this gradient
            return *found.scan_back(gradient, decay, initial, states, ctx.backwards), None
        window = gradient.shape[1]
        begin, end = (window - 1, 0) if ctx.backwards else (0, window - 1)
        later, earlier = slice(1, None), slice(None, -1)
        if ctx.backwards:
            later, earlier = earlier, later
        last, start = gradient[:, end], initial.unsqueeze(1)
        rest = gradient[:, earlier]  # none, if the window is 1
        if window > 1:
            rest = _apply(decay[:, later], rest, last, not ctx.backwards)
        total = _append(rest, last.unsqueeze(1), ctx.backwards)
        before = _append(states[:, earlier], start, not ctx.backwards)
        return total * before, total, total[:, begin] * decay[:, begin], None


def _append(many: Tensor, one: Tensor, in_front: bool) -> Tensor:
    return torch.cat((one, many) if in_front else (many, one), 1)


def _scan(decay: Tensor, inputs: Tensor, initial: Tensor, states: Tensor, backwards: bool) -> None:
    """Write the states, from the first step on or from the last, without a gradient of its own."""
    found = _compiled_for(decay, inputs, initial)
    if found:
        found.scan(decay, inputs, initial, states, backwards)
    else:
        _join(decay, inputs, initial, states, backwards)


def _compiled_for(decay: Tensor, inputs: Tensor, initial: Tensor) -> ModuleType | None:
    """Return what goes step by step, where that is quicker than joining.

    It takes float32 alone, and does not look at shapes. Cores share rows, of which there should be
    one for each.
    """
    quick = inputs.is_cpu and inputs.numel() >= COMPILED_FROM
    exact = decay.dtype == inputs.dtype == initial.dtype == torch.float32
    same = decay.shape == inputs.shape and initial.shape == inputs[:, 0].shape
    if not (quick and exact and same) or len(inputs) < torch.get_num_threads():
        return None
    return compiled() if not torch.compiler.is_compiling() else None


def _join(decay: Tensor, inputs: Tensor, initial: Tensor, states: Tensor, backwards: bool) -> None:
    """Join neighbours, scan what is half as long, and go on from the ends."""
    window = inputs.shape[1]
    begin = window - 1 if backwards else 0
    torch.addcmul(inputs[:, begin], decay[:, begin], initial, out=states[:, begin])
    if window == 1:
        return
    odd, even, joined, following, ended = _halves(window, backwards)
    ends, steps = states[:, odd], decay[:, odd]
    before, decay_before = inputs[:, even], decay[:, even]
    into = torch.addcmul(inputs[:, odd], steps, before[:, joined])
    _join(steps * decay_before[:, joined], into, initial, ends, backwards)
    rest = before[:, following], decay_before[:, following], ends[:, ended]
    torch.addcmul(*rest, out=states[:, even][:, following])


def _halves(window: int, backwards: bool) -> tuple[slice, slice, slice, slice, slice]:
    """Where the odd and the even steps are, counted from 0 where the scan begins.

    An even step and the odd one after it are joined to one of half as many. The third slice is of
    the even ones that are; the fourth of those that follow an odd one, whose state is its end; the
    last of the ends that are followed.
    """
    pairs, single = divmod(window, 2)
    if backwards:
        odd, even = slice(single, None, 2), slice(1 - single, None, 2)
        return odd, even, slice(-pairs, None), slice(None, -1), slice(1 - single, None)
    odd, even = slice(1, None, 2), slice(0, None, 2)
    return odd, even, slice(pairs), slice(1, None), slice(pairs - 1 + single)
