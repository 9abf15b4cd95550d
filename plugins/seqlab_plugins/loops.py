"""Recurrences as loops over steps and rows, compiled by Numba.

Rows do not wait for each other: whoever calls gives some of them to each core, `first` to `last`,
and a loop takes its rows through the whole window. What a step has written is still in a cache of
that core at the next one, and gates are bent where they lie.

Arrays are those of `seqlab_plugins.walks`.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from seqlab.loops import NOTHING, ONE, Array, by_numba, sigmoid, tanh
from seqlab_plugins.product_loops import linear, product


@by_numba
def _thirds(gates: Array) -> tuple[Array, Array, Array]:
    size = len(gates) // 3
    return gates[:size], gates[size : 2 * size], gates[2 * size :]


@by_numba
def _quarters(gates: Array) -> tuple[Array, Array, Array, Array]:
    size = len(gates) // 4
    return gates[:size], gates[size : 2 * size], gates[2 * size : 3 * size], gates[3 * size :]


@by_numba
def elman(sgemm: int, states: Array, weight: Array, first: int, last: int) -> None:
    for t in range(len(states) - 1):
        linear(sgemm, states[t + 1, first:last], states[t, first:last], weight, ONE)
        for i in range(first, last):
            h = states[t + 1, i]
            for j in range(len(h)):
                h[j] = tanh(h[j])


@by_numba
def elman_back(
    sgemm: int, wanted: Array, states: Array, inner: Array, weight: Array, first: int, last: int
) -> None:
    for t in range(len(inner) - 1, -1, -1):
        for i in range(first, last):
            h, gradient, into = states[t + 1, i], wanted[t + 1, i], inner[t, i]
            for j in range(len(h)):
                into[j] = gradient[j] * (ONE - h[j] * h[j])
        product(sgemm, wanted[t, first:last], inner[t, first:last], weight, ONE)


@by_numba
def gated(
    sgemm: int,
    projected: Array,
    states: Array,
    gates: Array,
    candidates: Array,
    bias: Array,
    weight: Array,
    first: int,
    last: int,
) -> None:
    for t in range(len(gates)):
        linear(sgemm, gates[t, first:last], states[t, first:last], weight, NOTHING)
        for i in range(first, last):
            h, after, candidate = states[t, i], states[t + 1, i], candidates[t, i]
            to_reset, to_update, to_new = _thirds(projected[t, i])
            reset, update, inner = _thirds(gates[t, i])
            for j in range(len(bias)):
                r, z = sigmoid(to_reset[j] + reset[j]), sigmoid(to_update[j] + update[j])
                u = inner[j] + bias[j]
                n = tanh(to_new[j] + r * u)
                reset[j], update[j], inner[j], candidate[j] = r, z, u, n
                after[j] = n + z * (h[j] - n)


@by_numba
def gated_back(
    sgemm: int,
    wanted: Array,
    states: Array,
    gates: Array,
    candidates: Array,
    inner: Array,
    outer: Array,
    weight: Array,
    first: int,
    last: int,
) -> None:
    for t in range(len(gates) - 1, -1, -1):
        for i in range(first, last):
            gradient, into = wanted[t + 1, i], wanted[t, i]
            h, candidate = states[t, i], candidates[t, i]
            reset, update, added = _thirds(gates[t, i])
            of_reset, of_update, of_added = _thirds(inner[t, i])
            out_reset, out_update, out_new = _thirds(outer[t, i])
            for j in range(len(h)):
                r, z, n, g = reset[j], update[j], candidate[j], gradient[j]
                new = g * (ONE - z) * (ONE - n * n)
                of_r = new * added[j] * r * (ONE - r)
                of_z = g * (h[j] - n) * z * (ONE - z)
                of_reset[j], of_update[j], of_added[j] = of_r, of_z, new * r
                out_reset[j], out_update[j], out_new[j] = of_r, of_z, new
                into[j] += g * z
        product(sgemm, wanted[t, first:last], inner[t, first:last], weight, ONE)


@by_numba
def long_short(
    sgemm: int,
    states: Array,
    memories: Array,
    gates: Array,
    bent: Array,
    weight: Array,
    first: int,
    last: int,
) -> None:
    for t in range(len(gates)):
        linear(sgemm, gates[t, first:last], states[t, first:last], weight, ONE)
        for i in range(first, last):
            before, memory = memories[t, i], memories[t + 1, i]
            bend, after = bent[t, i], states[t + 1, i]
            into, forget, new, out = _quarters(gates[t, i])
            for j in range(len(bend)):
                a, f, g, o = sigmoid(into[j]), sigmoid(forget[j]), tanh(new[j]), sigmoid(out[j])
                c = f * before[j] + a * g
                b = tanh(c)
                into[j], forget[j], new[j], out[j] = a, f, g, o
                memory[j], bend[j], after[j] = c, b, o * b


@by_numba
def long_short_back(
    sgemm: int,
    wanted: Array,
    kept: Array,
    memories: Array,
    gates: Array,
    bent: Array,
    inner: Array,
    weight: Array,
    first: int,
    last: int,
) -> None:
    for t in range(len(gates) - 1, -1, -1):
        for i in range(first, last):
            before, bend, gradient, keep = memories[t, i], bent[t, i], wanted[t + 1, i], kept[i]
            into, forget, new, out = _quarters(gates[t, i])
            of_into, of_forget, of_new, of_out = _quarters(inner[t, i])
            for j in range(len(bend)):
                a, f, g, o, b = into[j], forget[j], new[j], out[j], bend[j]
                c = keep[j] + gradient[j] * o * (ONE - b * b)
                of_into[j] = c * g * a * (ONE - a)
                of_forget[j] = c * before[j] * f * (ONE - f)
                of_new[j] = c * a * (ONE - g * g)
                of_out[j] = gradient[j] * b * o * (ONE - o)
                keep[j] = c * f
        product(sgemm, wanted[t, first:last], inner[t, first:last], weight, ONE)
