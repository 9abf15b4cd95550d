"""Recurrences over a window, each with a backward written out.

torch keeps a graph of every step and adds up one small product a step for the gradient of the
recurrent weight. Here the steps keep what they must, what does not wait for the next step is done
for the whole window at once, and the weight's gradient is one large product.

Time comes first, so that a step is one block of memory. Shapes: T window, B rows, H hidden size.
Weights are torch's, with its order of gates; biases of the inputs are in `projected`. Under
autocast all but small products are computed in its dtype, everything else in that of the arguments.
Each may be differentiated once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from seqlab import contiguous, outer, product_dtype, steady_linear, tanh


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
    with torch.autocast(weight.device.type, enabled=False):
        return cast("Any", function.apply)(small, large, projected, *given)


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


def _backwards(*windows: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Go from the last step to the first."""
    return zip(*(reversed(window.unbind()) for window in windows), strict=True)


def _wanted(gradients: Tensor, state: Tensor) -> Tensor:
    """Make room for what is wanted of a state and those after it: (T + 1, B, H)."""
    wanted = state.new_empty(len(gradients) + 1, *state.shape)
    wanted[0], wanted[1:] = 0, gradients
    return wanted


class _Elman(Function):
    @staticmethod
    def forward(
        ctx: Any,
        small: torch.dtype,
        large: torch.dtype,
        projected: Tensor,
        state: Tensor,
        weight: Tensor,
    ) -> Tensor:
        states = _states(state, len(projected))
        states[1:] = projected
        ctx.small, ctx.large = small, large
        recur = steady_linear(weight.to(small))
        for before, after in _forwards(states[:-1], states[1:]):
            recur.add_to(after, before)
            tanh(after, out=after)
        ctx.save_for_backward(states, weight)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        states, weight = ctx.saved_tensors
        wanted = _wanted(gradients[0], states[0])
        before = 1 - states[1:] * states[1:]  # tanh's slopes, then the gradients of what it bends
        back = steady_linear(weight.to(ctx.small).t())
        for into, gradient, now in _backwards(wanted[:-1], wanted[1:], before):
            back.add_to(into, now.mul_(gradient))
        return None, None, before, wanted[0], _weight_gradient(before, states, weight, ctx.large)


class _Gated(Function):
    @staticmethod
    def forward(
        ctx: Any,
        small: torch.dtype,
        large: torch.dtype,
        projected: Tensor,
        state: Tensor,
        weight: Tensor,
        bias: Tensor,
    ) -> Tensor:
        states, size = _states(state, len(projected)), state.shape[1]
        ctx.small, ctx.large = small, large
        recur = steady_linear(weight.to(small))
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
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        states, candidates, gates, weight = ctx.saved_tensors
        wanted = _wanted(gradients[0], states[0])
        reset, update, inner = gates.chunk(3, 2)
        # What the gradient of h is multiplied with to be that of: p_n, then r, z and U_n h + b.
        new = torch.empty_like(candidates)
        _tanh_slope(1 - update, candidates, new)
        slopes = gates.new_empty(*new.shape[:2], 3, new.shape[2])
        _sigmoid_slope(new * inner, reset, slopes[:, :, 0])
        _sigmoid_slope(states[:-1] - candidates, update, slopes[:, :, 1])
        torch.mul(new, reset, out=slopes[:, :, 2])
        # As the products take them: they are written once, and read by each product and at the end.
        before = torch.empty_like(slopes, dtype=ctx.small)
        news = torch.empty_like(new, dtype=ctx.small)
        back, flat = steady_linear(weight.to(ctx.small).t()), before.flatten(2)
        walk = _backwards(
            wanted[:-1], wanted[1:], flat, *before.unbind(2), news, *slopes.unbind(2), new, update
        )  # fmt: skip
        for into, gradient, now, *parts, share in walk:
            _scale(gradient, parts[4:], parts[:4])
            back.add_to(into.addcmul_(gradient, share), now)
        return (
            None,
            None,
            torch.cat((flat[..., : 2 * news.shape[2]], news), 2),
            wanted[0],
            _weight_gradient(flat, states, weight, ctx.large),
            before[:, :, 2].sum((0, 1), dtype=weight.dtype),
        )


class _LongShort(Function):
    @staticmethod
    def forward(
        ctx: Any,
        small: torch.dtype,
        large: torch.dtype,
        projected: Tensor,
        state: Tensor,
        memory: Tensor,
        weight: Tensor,
    ) -> tuple[Tensor, Tensor]:
        states, memories = (_states(first, len(projected)) for first in (state, memory))
        ctx.small, ctx.large = small, large
        recur = steady_linear(weight.to(small))
        gates = projected.to(state.dtype, copy=True)
        news, bent = torch.empty_like(states[1:]), torch.empty_like(states[1:])
        walk = _forwards(
            states[:-1], states[1:], memories[:-1], memories[1:], bent, news,
            gates, gates[:, :, : 2 * state.shape[1]], *gates.chunk(4, 2),
        )  # fmt: skip
        for h, new_h, c, new_c, bend, new, gate, opened, into, forget, for_new, out in walk:
            recur.add_to(gate, h)
            opened.sigmoid_()  # i and f side by side
            out.sigmoid_()
            tanh(for_new, out=new)
            torch.mul(forget, c, out=new_c).addcmul_(into, new)
            torch.mul(out, tanh(new_c, out=bend), out=new_h)
        ctx.save_for_backward(states, memories, gates, news, bent, weight)
        return states[1:], memories[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        states, memories, gates, new, bent, weight = ctx.saved_tensors
        wanted, kept = _wanted(gradients[0], states[0]), gradients[1]  # the last c's, (B, H)
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
        before = gates.new_empty(*bent.shape[:2], 4, bent.shape[2], dtype=ctx.small)
        back, flat = steady_linear(weight.to(ctx.small).t()), before.flatten(2)
        walk = _backwards(
            wanted[:-1], wanted[1:], flat, *before.unbind(2), *slopes.unbind(2),
            outs, bends, forget,
        )  # fmt: skip
        for into_h, gradient, now, *parts, out_slope, bend, share in walk:
            memory = torch.addcmul(kept, gradient, bend)
            _scale(memory, parts[4:], parts[:3])
            torch.mul(gradient, out_slope, out=parts[3])
            kept = memory * share
            back.add_to(into_h, now)
        into_weight = _weight_gradient(flat, states, weight, ctx.large)
        return None, None, flat, wanted[0], kept, into_weight
