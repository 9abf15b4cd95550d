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

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from seqlab import outer, product, product_dtype


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
    return outer(gates.flatten(0, 1), states[:-1].flatten(0, 1), dtype).to(weight.dtype)


class _Elman(Function):
    @staticmethod
    def forward(ctx: Any, projected: Tensor, state: Tensor, weight: Tensor) -> Tensor:
        states = _states(state, len(projected))
        matrix = weight.to(product_dtype(weight)).t()
        steps = states.unbind()
        for step, after, before in zip(projected.unbind(), steps[1:], steps, strict=False):
            torch.tanh(product(before, matrix, step), out=after)
        ctx.dtype = matrix.dtype
        ctx.save_for_backward(states, weight)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        states, weight = ctx.saved_tensors
        (wanted,) = gradients  # (T, B, H)
        slopes = 1 - states[1:] * states[1:]
        before = torch.empty_like(slopes)  # of tanh
        matrix, gradient = weight.to(ctx.dtype), wanted[-1]
        for time in range(len(wanted) - 1, -1, -1):
            now = torch.mul(gradient, slopes[time], out=before[time])
            gradient = product(now, matrix, wanted[time - 1] if time else None)
        gradient = gradient.to(states.dtype)
        return before, gradient, _weight_gradient(before, states, weight, ctx.dtype)


class _Gated(Function):
    @staticmethod
    def forward(ctx: Any, projected: Tensor, state: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        states, size = _states(state, len(projected)), state.shape[1]
        matrix = weight.to(product_dtype(weight)).t()
        added = torch.cat((projected[..., : 2 * size], bias.expand_as(states[1:])), 2)
        news = projected[..., 2 * size :]
        steps, candidates, gates = states.unbind(), torch.empty_like(states[1:]), []
        parts = zip(
            added.unbind(), news.unbind(), candidates.unbind(), steps[1:], steps, strict=False
        )
        for add, new, candidate, after, before in parts:
            gate = product(before, matrix, add)  # (B, 3 H): r and z in what follows, and U_n h + b
            gate[:, : 2 * size].sigmoid_()
            reset, update, recurrent = gate.chunk(3, 1)
            torch.addcmul(new, reset, recurrent, out=candidate).tanh_()
            torch.lerp(candidate, before, update, out=after)
            gates.append(gate)
        ctx.dtype = matrix.dtype
        ctx.save_for_backward(states, candidates, torch.stack(gates), weight)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        states, candidates, gates, weight = ctx.saved_tensors
        (wanted,) = gradients  # (T, B, H)
        reset, update, recurrent = gates.chunk(3, 2)
        # What the gradient of h is multiplied with to be that of: p_n, then r, z and U_n h + b.
        new = (1 - update) * (1 - candidates * candidates)
        slopes = torch.stack((
            new * recurrent * reset * (1 - reset),
            (states[:-1] - candidates) * update * (1 - update),
            new * reset,
        ), 2)  # fmt: skip # (T, B, 3, H)
        before, news = torch.empty_like(slopes), torch.empty_like(new)
        matrix, gradient = weight.to(ctx.dtype), wanted[-1]
        for time in range(len(wanted) - 1, -1, -1):
            torch.mul(gradient, new[time], out=news[time])
            now = torch.mul(gradient.unsqueeze(1), slopes[time], out=before[time])
            kept = gradient * update[time]
            add = kept.add_(wanted[time - 1]) if time else kept
            gradient = product(now.flatten(1), matrix, add)
        flat = before.flatten(2)
        size = news.shape[2]
        return (
            torch.cat((flat[..., : 2 * size], news), 2),
            gradient.to(states.dtype),
            _weight_gradient(flat, states, weight, ctx.dtype),
            before[:, :, 2].sum((0, 1)),
        )


class _LongShort(Function):
    @staticmethod
    def forward(
        ctx: Any, projected: Tensor, state: Tensor, memory: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        states, memories = (_states(first, len(projected)) for first in (state, memory))
        size = state.shape[1]
        matrix = weight.to(product_dtype(weight)).t()
        gates, bent = torch.empty_like(projected), torch.empty_like(states[1:])
        for time, step in enumerate(projected.unbind()):
            added = product(states[time], matrix, step)  # (B, 4 H), of i, f, g and o
            gate = torch.sigmoid(added, out=gates[time])
            into, forget, new, out = gate.chunk(4, 1)
            torch.tanh(added[:, 2 * size : 3 * size], out=new)
            after = torch.mul(forget, memories[time], out=memories[time + 1]).addcmul_(into, new)
            torch.mul(out, torch.tanh(after, out=bent[time]), out=states[time + 1])
        ctx.dtype = matrix.dtype
        ctx.save_for_backward(states, memories, gates, bent, weight)
        return states[1:], memories[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        states, memories, gates, bent, weight = ctx.saved_tensors
        wanted, kept = gradients  # (T, B, H), of h, and (B, H), of the last c
        into, forget, new, out = gates.chunk(4, 2)
        # What the gradients of c and of h are multiplied with to be those of the gates, and of c.
        slopes = torch.stack((
            into * (1 - into) * new,
            forget * (1 - forget) * memories[:-1],
            (1 - new * new) * into,
        ), 2)  # fmt: skip # (T, B, 3, H)
        outs, bends = bent * out * (1 - out), (1 - bent * bent) * out
        before = gates.new_empty(*bent.shape[:2], 4, bent.shape[2])  # (T, B, 4, H)
        matrix, gradient = weight.to(ctx.dtype), wanted[-1]
        for time in range(len(wanted) - 1, -1, -1):
            now = before[time]
            memory = torch.addcmul(kept, gradient, bends[time])
            torch.mul(memory.unsqueeze(1), slopes[time], out=now[:, :3])
            torch.mul(gradient, outs[time], out=now[:, 3])
            kept = memory * forget[time]
            gradient = product(now.flatten(1), matrix, wanted[time - 1] if time else None)
        flat = before.flatten(2)
        into_weight = _weight_gradient(flat, states, weight, ctx.dtype)
        return flat, gradient.to(states.dtype), kept, into_weight
