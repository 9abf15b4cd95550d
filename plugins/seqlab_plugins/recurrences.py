"""Recurrences over a window, each with a backward written out.

torch keeps a graph of every step and adds up one small product a step for the gradient of the
recurrent weight. Here the steps keep what they must, what does not wait for the next step is done
for the whole window at once, and the weight's gradient is one large product.

Time comes first, so that a step is one block of memory. Shapes: T window, B rows, H hidden size.
Weights are torch's, with its order of gates; biases of the inputs are in `projected`. Under
autocast the products are computed in its dtype, everything else in that of the arguments. Each
may be differentiated once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from seqlab import contiguous, outer, product, product_dtype, steady_linear, tanh


def elman(projected: Tensor, state: Tensor, weight: Tensor) -> Tensor:
    """Return all h_t = tanh(p_t + U h_{t-1}), (T, B, H).

    Args:
        projected: p, (T, B, H), both biases included.
        state: h_0, (B, H).
        weight: U, (H, H).
    """
    return cast("Tensor", cast("Any", _Elman.apply)(projected, state, weight))


def gated(projected: Tensor, state: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return all h_t of a GRU, (T, B, H): r, z = sigmoid(p + U h), n = tanh(p_n + r (U_n h + b)).

    Args:
        projected: p, (T, B, 3 H), with the biases of r and z of both sides.
        state: h_0, (B, H).
        weight: U, (3 H, H).
        bias: b, (H,), which the reset gate is applied to.
    """
    return cast("Tensor", cast("Any", _Gated.apply)(projected, state, weight, bias))


def long_short(
    projected: Tensor, state: tuple[Tensor, Tensor], weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Return all h_t of an LSTM, (T, B, H), and the last c, (B, H).

    Args:
        projected: p, (T, B, 4 H), both biases included.
        state: h_0 and c_0, (B, H) each.
        weight: U, (4 H, H).
    """
    return cast("tuple[Tensor, Tensor]", cast("Any", _LongShort.apply)(projected, *state, weight))


def _states(first: Tensor, window: int) -> Tensor:
    """Make room for a state and those after it: (T + 1, B, H)."""
    states = first.new_empty(window + 1, *first.shape)
    states[0] = first
    return states


def _weight_gradient(gates: Tensor, states: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
    """From the gradients of U h, (T, B, G H), and the states before each step."""
    found = outer(gates.flatten(0, 1), states[:-1].flatten(0, 1), dtype)
    return contiguous(found.to(weight.dtype))


def _sigmoid_slope(gradient: Tensor, value: Tensor, out: Tensor) -> None:
    """Write gradient * value * (1 - value), in one pass."""
    torch.ops.aten.sigmoid_backward.grad_input(gradient, value, grad_input=out)


def _tanh_slope(gradient: Tensor, value: Tensor, out: Tensor) -> Tensor:
    """Write gradient * (1 - value^2), in one pass."""
    return cast("Tensor", torch.ops.aten.tanh_backward.grad_input(gradient, value, grad_input=out))


def _scale(gradient: Tensor, slopes: list[Tensor], out: list[Tensor]) -> None:
    """Write the gradient times each slope; one product of all would be slower."""
    for slope, into in zip(slopes, out, strict=True):
        torch.mul(gradient, slope, out=into)


def _forwards(*windows: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Go from the first step to the last; all are split at once, since indices take longer."""
    return zip(*(window.unbind() for window in windows), strict=True)


def _backwards(wanted: Tensor, *windows: Tensor) -> Iterator[tuple[Any, ...]]:
    """Go from the last step to the first: what is wanted of the step before, None at last.

    With it come the steps of the windows.
    """
    earlier = (None, *wanted.unbind()[:-1])
    steps = (window.unbind() for window in windows)
    return zip(*map(reversed, (earlier, *steps)), strict=True)


class _Elman(Function):
    @staticmethod
    def forward(ctx: Any, projected: Tensor, state: Tensor, weight: Tensor) -> Tensor:
        states = _states(state, len(projected))
        states[1:] = projected
        ctx.dtype = product_dtype(weight)
        recur = steady_linear(weight.to(ctx.dtype))
        for before, after in _forwards(states[:-1], states[1:]):
            recur.add_to(after, before)
            tanh(after, out=after)
        ctx.save_for_backward(states, weight)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        states, weight = ctx.saved_tensors
        (wanted,) = gradients  # (T, B, H)
        before = 1 - states[1:] * states[1:]  # tanh's slopes, then the gradients of what it bends
        matrix, gradient = weight.to(ctx.dtype), wanted[-1]
        for add, now in _backwards(wanted, before):
            gradient = product(now.mul_(gradient), matrix, add)
        gradient = gradient.to(states.dtype)
        return before, gradient, _weight_gradient(before, states, weight, ctx.dtype)


class _Gated(Function):
    @staticmethod
    def forward(ctx: Any, projected: Tensor, state: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        states, size = _states(state, len(projected)), state.shape[1]
        ctx.dtype = product_dtype(weight)
        recur = steady_linear(weight.to(ctx.dtype))
        gates = states.new_empty(projected.shape)  # r, z and U_n h + b
        opened, inners = gates.split_with_sizes((2 * size, size), 2)
        opened[:], inners[:] = projected[:, :, : 2 * size], bias
        candidates = torch.empty_like(states[1:])
        walk = _forwards(
            projected[:, :, 2 * size :].to(state.dtype), states[:-1], states[1:],
            gates, opened, *opened.chunk(2, 2), inners, candidates,
        )  # fmt: skip
        for add, before, after, gate, open_, reset, update, inner, candidate in walk:
            recur.add_to(gate, before)
            open_.sigmoid_()
            torch.addcmul(add, reset, inner, out=candidate)
            torch.lerp(tanh(candidate, out=candidate), before, update, out=after)
        ctx.save_for_backward(states, candidates, gates, weight)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        states, candidates, gates, weight = ctx.saved_tensors
        (wanted,) = gradients  # (T, B, H)
        reset, update, inner = gates.chunk(3, 2)
        # What the gradient of h is multiplied with to be that of: p_n, then r, z and U_n h + b.
        new = torch.empty_like(candidates)
        _tanh_slope(1 - update, candidates, new)
        slopes = gates.new_empty(*new.shape[:2], 3, new.shape[2])
        _sigmoid_slope(new * inner, reset, slopes[:, :, 0])
        _sigmoid_slope(states[:-1] - candidates, update, slopes[:, :, 1])
        torch.mul(new, reset, out=slopes[:, :, 2])
        # As the products take them: they are written once, and read by each product and at the end.
        before = torch.empty_like(slopes, dtype=ctx.dtype)
        news = torch.empty_like(new, dtype=ctx.dtype)
        matrix, gradient = weight.to(ctx.dtype), wanted[-1]
        flat = before.flatten(2)
        walk = _backwards(
            wanted, flat, *before.unbind(2), news, *slopes.unbind(2), new, update
        )  # fmt: skip
        for add, now, *parts, share in walk:
            _scale(gradient, parts[4:], parts[:4])
            kept = gradient * share if add is None else torch.addcmul(add, gradient, share)
            gradient = product(now, matrix, kept)
        return (
            torch.cat((flat[..., : 2 * news.shape[2]], news), 2),
            gradient.to(states.dtype),
            _weight_gradient(flat, states, weight, ctx.dtype),
            before[:, :, 2].sum((0, 1), dtype=weight.dtype),
        )


class _LongShort(Function):
    @staticmethod
    def forward(
        ctx: Any, projected: Tensor, state: Tensor, memory: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        states, memories = (_states(first, len(projected)) for first in (state, memory))
        ctx.dtype = product_dtype(weight)
        recur = steady_linear(weight.to(ctx.dtype))
        gates = projected.to(state.dtype, copy=True)
        news, bent = torch.empty_like(states[1:]), torch.empty_like(states[1:])
        walk = _forwards(
            states[:-1], states[1:], memories[:-1], memories[1:], bent, news,
            gates, *gates.chunk(4, 2),
        )  # fmt: skip
        for h, new_h, c, new_c, bend, new, gate, into, forget, bends_to, out in walk:
            recur.add_to(gate, h)
            tanh(bends_to, out=new)
            gate.sigmoid_()  # all in one pass; that of g is not used
            torch.mul(forget, c, out=new_c).addcmul_(into, new)
            torch.mul(out, tanh(new_c, out=bend), out=new_h)
        ctx.save_for_backward(states, memories, gates, news, bent, weight)
        return states[1:], memories[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        states, memories, gates, new, bent, weight = ctx.saved_tensors
        wanted, kept = gradients  # (T, B, H), of h, and (B, H), of the last c
        into, forget, _, out = gates.chunk(4, 2)
        # What the gradient of c is multiplied with to be that of i, f and g, and that of h to be
        # those of o and c.
        slopes = gates.new_empty(*bent.shape[:2], 3, bent.shape[2])
        outs, bends = torch.empty_like(bent), torch.empty_like(bent)
        _sigmoid_slope(new, into, slopes[:, :, 0])
        _sigmoid_slope(memories[:-1], forget, slopes[:, :, 1])
        _tanh_slope(into, new, slopes[:, :, 2])
        _sigmoid_slope(bent, out, outs)
        _tanh_slope(out, bent, bends)
        before = gates.new_empty(*bent.shape[:2], 4, bent.shape[2], dtype=ctx.dtype)
        matrix, gradient = weight.to(ctx.dtype), wanted[-1]
        flat = before.flatten(2)
        walk = _backwards(
            wanted, flat, *before.unbind(2), *slopes.unbind(2), outs, bends, forget
        )  # fmt: skip
        for add, now, *parts, out_slope, bend, share in walk:
            memory = torch.addcmul(kept, gradient, bend)
            _scale(memory, parts[4:], parts[:3])
            torch.mul(gradient, out_slope, out=parts[3])
            kept = memory * share
            gradient = product(now, matrix, add)
        into_weight = _weight_gradient(flat, states, weight, ctx.dtype)
        return flat, gradient.to(states.dtype), kept, into_weight
