"""Linear recurrences over a whole window at once.

Shapes: B rows, T window, and any dimensions of a row's state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from seqlab.kernels import tuning
from seqlab.kernels.launching import on_all_cores, why_not_compiled
from seqlab.kernels.operation import Backend, Operation

Write = Callable[[Tensor, Tensor, Tensor, Tensor], None]


def _by_steps(decay: Tensor, inputs: Tensor, initial: Tensor) -> Tensor:
    """Return every h_t = a_t h_{t-1} + b_t, (B, T, ...).

    Args:
        decay: a, (B, T, ...).
        inputs: b, (B, T, ...).
        initial: h_0, (B, ...).
    """
    states, h = [], initial
    for a, b in zip(decay.unbind(1), inputs.unbind(1), strict=True):
        h = a * h + b
        states.append(h)
    return torch.stack(states, 1)


def linear_scan(decay: Tensor, inputs: Tensor, initial: Tensor) -> Tensor:
    """Return every h_t = a_t h_{t-1} + b_t, (B, T, ...), in the dtype of h_0.

    Args:
        decay: a, (B, T, ...).
        inputs: b, (B, T, ...).
        initial: h_0, (B, ...).
    """
    dtype = initial.dtype
    return scan(decay.to(dtype), inputs.to(dtype), initial)


class _Scan(torch.autograd.Function):
    """The gradient of a scan is a scan from its end: l_t = g_t + a_{t+1} l_{t+1}.

    Written as one, it keeps h alone; autograd would keep every level of the way down.
    """

    @staticmethod
    def forward(ctx: Any, write: Write, decay: Tensor, inputs: Tensor, initial: Tensor) -> Tensor:
        states = inputs.new_empty(inputs.shape)
        write(decay, inputs, initial, states)
        ctx.save_for_backward(decay, initial, states)
        ctx.write = write
        return states

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        decay, initial, states = ctx.saved_tensors
        if ctx.write is _by_loop and not torch.is_grad_enabled():
            return None, *_back_by_loop(grad, decay, initial, states)
        later = torch.cat((torch.zeros_like(decay[:, :1]), decay[:, 1:].flip(1)), 1)
        total = _apply(ctx.write, later, grad.flip(1), torch.zeros_like(initial)).flip(1)  # l
        before = torch.cat((initial.unsqueeze(1), states[:, :-1]), 1)
        return None, total * before, total, total[:, 0] * decay[:, 0]


def _apply(write: Write, decay: Tensor, inputs: Tensor, initial: Tensor) -> Tensor:
    apply: Any = _Scan.apply
    return cast("Tensor", apply(write, decay, inputs, initial))


def _by_loop(decay: Tensor, inputs: Tensor, initial: Tensor, states: Tensor) -> None:
    """Step in a compiled loop, which reads and writes everything once."""
    from seqlab.kernels import scan_loops

    given = _flat(decay, inputs, initial.unsqueeze(1), states)
    on_all_cores(scan_loops.scan, len(states), *given)


def _back_by_loop(
    grad: Tensor, decay: Tensor, initial: Tensor, states: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    from seqlab.kernels import scan_loops

    grad_decay, grad_inputs = torch.empty_like(states), torch.empty_like(states)
    grad_initial = initial.new_empty(initial.shape)
    given = _flat(grad, decay, initial.unsqueeze(1), states)
    results = _flat(grad_decay, grad_inputs, grad_initial.unsqueeze(1))
    on_all_cores(scan_loops.scan_backward, len(states), *given, *results)
    return grad_decay, grad_inputs, grad_initial


def _flat(*tensors: Tensor) -> list[Tensor]:
    """Reshape to (B, T, N); copy what is not contiguous."""
    return [tensor.contiguous().view(*tensor.shape[:2], -1) for tensor in tensors]


def _by_joining(decay: Tensor, inputs: Tensor, initial: Tensor, states: Tensor) -> None:
    """Join each even step to the odd one after it, scan what is half as long, and fill the gaps.

    Blelloch, "Prefix sums and their applications", 1990: a few operations on long tensors for each
    doubling, in place of T on short ones. It only multiplies and adds, as stepping does; in the
    logarithms that the paper of minGRU uses, small differences of large numbers lose digits.
    """
    pairs, single = divmod(inputs.shape[1], 2)
    torch.addcmul(inputs[:, 0], decay[:, 0], initial, out=states[:, 0])
    if not pairs:
        return
    even, odd = slice(0, 2 * pairs, 2), slice(1, None, 2)
    joined = torch.addcmul(inputs[:, odd], decay[:, odd], inputs[:, even])
    ends = states[:, odd]
    _by_joining(decay[:, odd] * decay[:, even], joined, initial, ends)
    gaps, before = slice(2, None, 2), ends[:, : pairs - 1 + single]
    torch.addcmul(inputs[:, gaps], decay[:, gaps], before, out=states[:, gaps])


def _backends() -> Iterator[Backend]:
    yield Backend(
        "numba",
        partial(_apply, _by_loop),
        least_work=tuning.SCAN_NUMBA,
        least_rows=1,
        available=lambda: not why_not_compiled(),
    )
    yield Backend("torch", partial(_apply, _by_joining), None, ())


scan = Operation(_by_steps, shapes=("B T *", "B T *", "B *"), work="B T *", backends=_backends)
