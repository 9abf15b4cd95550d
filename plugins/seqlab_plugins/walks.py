"""Walking a recurrence over a window and back, one step after another, by torch's operations.

What a walk writes is made by who calls it: all states, the gates, the gradients. What does not wait
for the next step is done for the whole window at once.

Shapes: T window, B rows, H hidden size. `states` are (T + 1, B, H), the one before the window
first; `wanted` are their gradients: those of the outputs, to which a walk back adds what comes from
later steps. Weights are torch's, with its order of gates, in the dtype of small products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

import torch
from torch import Tensor

from seqlab import steady_linear, tanh

Walk = Callable[..., None]


class Walks(NamedTuple):
    """What writes the values of each recurrence, and what writes its gradients."""

    elman: Walk
    elman_back: Walk
    gated: Walk
    gated_back: Walk
    long_short: Walk
    long_short_back: Walk


def _elman(states: Tensor, weight: Tensor) -> None:
    """Turn the projected inputs p, which are where states come, into those states."""
    recur = steady_linear(weight)
    for before, after in _forwards(states[:-1], states[1:]):
        recur.add_to(after, before)
        tanh(after, out=after)


def _elman_back(wanted: Tensor, states: Tensor, inner: Tensor, weight: Tensor) -> None:
    """Write the gradients of p, (T, B, H)."""
    slopes = inner.copy_(1 - states[1:] * states[1:])
    back = steady_linear(weight.t())
    for into, gradient, now in _backwards(wanted[:-1], wanted[1:], slopes):
        back.add_to(into, now.mul_(gradient))


def _gated(
    projected: Tensor,
    states: Tensor,
    gates: Tensor,
    candidates: Tensor,
    bias: Tensor,
    weight: Tensor,
) -> None:
    """Write states, candidates n, (T, B, H), and r, z and U_n h + b as gates, (T, B, 3 H)."""
    size = states.shape[2]
    recur = steady_linear(weight)
    opened, inners = gates.split_with_sizes((2 * size, size), 2)
    opened[:], inners[:] = projected[:, :, : 2 * size], bias
    walk = _forwards(
        projected[:, :, 2 * size :], states[:-1], states[1:],
        gates, opened, *opened.chunk(2, 2), inners, candidates,
    )  # fmt: skip
    for add, before, after, gate, open_, reset, update, inner, candidate in walk:
        recur.add_to(gate, before)
        open_.sigmoid_()
        torch.addcmul(add, reset, inner, out=candidate)
        torch.lerp(tanh(candidate, out=candidate), before, update, out=after)


def _gated_back(
    wanted: Tensor,
    states: Tensor,
    gates: Tensor,
    candidates: Tensor,
    inner: Tensor,
    outer: Tensor,
    weight: Tensor,
) -> None:
    """Write the gradients of U h + b, `inner`, and of p, `outer`; both (T, B, 3 H)."""
    size = states.shape[2]
    reset, update, added = gates.chunk(3, 2)
    # What the gradient of h is multiplied with to be that of: p_n, then r, z and U_n h + b.
    new = torch.empty_like(candidates)
    _tanh_slope(1 - update, candidates, new)
    slopes = gates.new_empty(*new.shape[:2], 3, size)
    _sigmoid_slope(new * added, reset, slopes[:, :, 0])
    _sigmoid_slope(states[:-1] - candidates, update, slopes[:, :, 1])
    torch.mul(new, reset, out=slopes[:, :, 2])
    back, parts = steady_linear(weight.t()), inner.view(*new.shape[:2], 3, size)
    walk = _backwards(
        wanted[:-1], wanted[1:], inner, *parts.unbind(2), outer[:, :, 2 * size :],
        *slopes.unbind(2), new, update,
    )  # fmt: skip
    for into, gradient, now, *pairs, share in walk:
        _scale(gradient, pairs[4:], pairs[:4])
        back.add_to(into.addcmul_(gradient, share), now)
    outer[:, :, : 2 * size] = inner[:, :, : 2 * size]


def _long_short(
    states: Tensor, memories: Tensor, gates: Tensor, bent: Tensor, weight: Tensor
) -> None:
    """Turn p into the gates i, f, g and o, (T, B, 4 H), and write states, c and tanh(c)."""
    recur = steady_linear(weight)
    walk = _forwards(
        states[:-1], states[1:], memories[:-1], memories[1:], bent,
        gates, gates[:, :, : 2 * bent.shape[2]], *gates.chunk(4, 2),
    )  # fmt: skip
    for h, new_h, c, new_c, bend, gate, opened, into, forget, new, out in walk:
        recur.add_to(gate, h)
        opened.sigmoid_()  # i and f side by side
        out.sigmoid_()
        tanh(new, out=new)
        torch.mul(forget, c, out=new_c).addcmul_(into, new)
        torch.mul(out, tanh(new_c, out=bend), out=new_h)


def _long_short_back(
    wanted: Tensor,
    kept: Tensor,
    memories: Tensor,
    gates: Tensor,
    bent: Tensor,
    inner: Tensor,
    weight: Tensor,
) -> None:
    """Write the gradients of p, (T, B, 4 H); `kept` is that of the last c, then of the first."""
    into, forget, new, out = gates.chunk(4, 2)
    # What the gradient of c is multiplied with to be that of i, f and g, and that of h to be
    # those of o and c.
    slopes = gates.new_empty(*bent.shape[:2], 3, bent.shape[2])
    outs, bends = torch.empty_like(bent), torch.empty_like(bent)
    _sigmoid_slope(new, into, slopes[:, :, 0])
    _sigmoid_slope(memories[:-1], forget, slopes[:, :, 1])
    _tanh_slope(into, new, slopes[:, :, 2])
    _sigmoid_slope(bent, out, outs)
    _tanh_slope(out, bent, bends)
    back, parts = steady_linear(weight.t()), inner.view(*bent.shape[:2], 4, bent.shape[2])
    walk = _backwards(
        wanted[:-1], wanted[1:], inner, *parts.unbind(2), *slopes.unbind(2), outs, bends, forget
    )
    for into_h, gradient, now, *pairs, out_slope, bend, share in walk:
        memory = kept.addcmul_(gradient, bend)
        _scale(memory, pairs[4:], pairs[:3])
        torch.mul(gradient, out_slope, out=pairs[3])
        memory.mul_(share)
        back.add_to(into_h, now)


BY_TORCH = Walks(_elman, _elman_back, _gated, _gated_back, _long_short, _long_short_back)


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
