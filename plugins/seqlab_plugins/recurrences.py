"""Recurrences over a window, each with a backward written out.

torch keeps a graph of every step and adds up one small product a step for the gradient of the
recurrent weight. Here the steps keep what they must, and that gradient is one large product. Who
walks, torch or a compiled loop, is decided by `walks_for`.

Time comes first, so that a step is one block of memory. Shapes: T window, B rows, H hidden size.
Weights are torch's, with its order of gates; biases of the inputs are in `projected`. Under
autocast all but small products are computed in its dtype, everything else in that of the state.
Each may be differentiated once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from seqlab import contiguous, outer, product_dtype
from seqlab_plugins.cores import compiled
from seqlab_plugins.walks import BY_TORCH, Walks

COMPILED_FROM = 2**22  # from which T B H G H is worth loading a compiler, once in a process


def elman(projected: Tensor, state: Tensor, weight: Tensor) -> Tensor:
    """Return all h_t = tanh(p_t + U h_{t-1}), (T, B, H).

    Args:
        projected: p, (T, B, H), both biases included.
        state: h_0, (B, H).
        weight: U, (H, H).
    """
    return cast("Tensor", _run(_Elman, weight, projected, state, weight))


def gated(projected: Tensor, state: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return all h_t of a GRU, (T, B, H): r, z = sigmoid(p + U h), n = tanh(p_n + r (U_n h + b)).

    Args:
        projected: p, (T, B, 3 H), with the biases of r and z of both sides.
        state: h_0, (B, H).
        weight: U, (3 H, H).
        bias: b, (H,), which the reset gate is applied to.
    """
    return cast("Tensor", _run(_Gated, weight, projected, state, weight, bias))


def long_short(
    projected: Tensor, state: tuple[Tensor, Tensor], weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Return all h_t of an LSTM, (T, B, H), and the last c, (B, H).

    Args:
        projected: p, (T, B, 4 H), both biases included.
        state: h_0 and c_0, (B, H) each.
        weight: U, (4 H, H).
    """
    return cast("tuple[Tensor, Tensor]", _run(_LongShort, weight, projected, *state, weight))


def _run(function: type[Function], weight: Tensor, projected: Tensor, *given: Tensor) -> Any:
    """Apply one, with what autocast would compute small and large products in."""
    small, large = product_dtype(weight, projected.shape[1]), product_dtype(weight)
    others = [each for each in given if each is not weight]
    walks = walks_for(projected, weight, small, others)
    with torch.autocast(weight.device.type, enabled=False):
        return cast("Any", function.apply)(walks, small, large, projected, *given)


def walks_for(
    projected: Tensor, weight: Tensor, dtype: torch.dtype, others: Sequence[Tensor] = ()
) -> Walks:
    """Return what walks quickest: a compiled loop on a CPU, where it is installed and pays.

    Args:
        projected: (T, B, G H).
        weight: (G H, H).
        dtype: what the small products are computed in.
        others: parts of the state, (B, H), and a bias, (H,).
    """
    work = projected.shape[0] * projected.shape[1] * weight.numel()
    quick = weight.is_cpu and work >= COMPILED_FROM and not torch.compiler.is_compiling()
    if not quick or dtype != torch.float32 or not _fit(projected, weight, others):
        return BY_TORCH
    found = compiled()
    return found.WALKS if found else BY_TORCH


def _fit(projected: Tensor, weight: Tensor, others: Sequence[Tensor]) -> bool:
    """Return whether all are what they should be; a compiled loop does not look, but torch does."""
    rows, hidden = projected.shape[1], weight.shape[1]
    wanted = {1: (hidden,), 2: (rows, hidden)}
    return (
        weight.shape == (projected.shape[2], hidden)
        and weight.dtype == torch.float32
        and all(each.dtype == weight.dtype for each in others)
        and all(each.shape == wanted.get(each.dim()) for each in others)
    )


def _states(first: Tensor, window: int) -> Tensor:
    """Make room for a state and those after it: (T + 1, B, H)."""
    states = first.new_empty(window + 1, *first.shape)
    states[0] = first
    return states


def _wanted(gradients: Tensor, state: Tensor) -> Tensor:
    """Make room for what is wanted of a state and those after it: (T + 1, B, H)."""
    wanted = state.new_empty(len(gradients) + 1, *state.shape)
    wanted[0], wanted[1:] = 0, gradients
    return wanted


def _weight_gradient(inner: Tensor, states: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
    """From the gradients of U h, (T, B, G H), and the states before each step."""
    found = outer(inner.flatten(0, 1), states[:-1].flatten(0, 1), dtype)
    return contiguous(found.to(weight.dtype))


class _Elman(Function):
    @staticmethod
    def forward(
        ctx: Any,
        walks: Walks,
        small: torch.dtype,
        large: torch.dtype,
        projected: Tensor,
        state: Tensor,
        weight: Tensor,
    ) -> Tensor:
        states = _states(state, len(projected))
        states[1:] = projected
        walks.elman(states, weight.to(small))
        ctx.save_for_backward(states, weight)
        ctx.walks, ctx.small, ctx.large = walks, small, large
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        states, weight = ctx.saved_tensors
        wanted, inner = _wanted(gradients[0], states[0]), torch.empty_like(states[1:])
        ctx.walks.elman_back(wanted, states, inner, weight.to(ctx.small))
        into_weight = _weight_gradient(inner, states, weight, ctx.large)
        return None, None, None, inner, wanted[0], into_weight


class _Gated(Function):
    @staticmethod
    def forward(
        ctx: Any,
        walks: Walks,
        small: torch.dtype,
        large: torch.dtype,
        projected: Tensor,
        state: Tensor,
        weight: Tensor,
        bias: Tensor,
    ) -> Tensor:
        states = _states(state, len(projected))
        gates, candidates = states.new_empty(projected.shape), torch.empty_like(states[1:])
        projected = projected.to(state.dtype).contiguous()
        walks.gated(projected, states, gates, candidates, bias.contiguous(), weight.to(small))
        ctx.save_for_backward(states, gates, candidates, weight)
        ctx.walks, ctx.small, ctx.large = walks, small, large
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        states, gates, candidates, weight = ctx.saved_tensors
        wanted = _wanted(gradients[0], states[0])
        # As the products take them: they are written once, and read by each product and at the end.
        inner, outside = (torch.empty_like(gates, dtype=ctx.small) for _ in range(2))
        ctx.walks.gated_back(
            wanted, states, gates, candidates, inner, outside, weight.to(ctx.small)
        )
        into_weight = _weight_gradient(inner, states, weight, ctx.large)
        into_bias = inner[:, :, -states.shape[2] :].sum((0, 1), dtype=weight.dtype)
        return None, None, None, outside, wanted[0], into_weight, into_bias


class _LongShort(Function):
    @staticmethod
    def forward(
        ctx: Any,
        walks: Walks,
        small: torch.dtype,
        large: torch.dtype,
        projected: Tensor,
        state: Tensor,
        memory: Tensor,
        weight: Tensor,
    ) -> tuple[Tensor, Tensor]:
        states, memories = (_states(first, len(projected)) for first in (state, memory))
        gates, bent = states.new_empty(projected.shape), torch.empty_like(states[1:])
        gates[:] = projected
        walks.long_short(states, memories, gates, bent, weight.to(small))
        ctx.save_for_backward(states, memories, gates, bent, weight)
        ctx.walks, ctx.small, ctx.large = walks, small, large
        return states[1:], memories[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        states, memories, gates, bent, weight = ctx.saved_tensors
        wanted, kept = _wanted(gradients[0], states[0]), torch.empty_like(states[0])
        kept[:] = gradients[1]
        inner = torch.empty_like(gates, dtype=ctx.small)
        ctx.walks.long_short_back(wanted, kept, memories, gates, bent, inner, weight.to(ctx.small))
        into_weight = _weight_gradient(inner, states, weight, ctx.large)
        return None, None, None, inner, wanted[0], kept, into_weight
