"""Recurrences as loops over steps and rows, compiled by Numba.

Rows do not wait for each other: whoever calls gives some of them to each core, `first` to `last`,
and a loop takes its rows through the whole window. What a step has written is still in a cache of
that core at the next one, and gates are bent where they lie.

Arrays are those of `seqlab_plugins.walks`, in float32 and contiguous; `sgemm` is the address of a
BLAS's product. What a loop calls stays in its file, since Numba keeps what it has compiled until
that file changes. Assigning to a slice takes far longer to compile than a loop.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

Array: TypeAlias = Any  # np.ndarray, in float32
PLAIN, TRANSPOSED = map(np.uint8, b"NT")
NOTHING, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
# tanh(x) = x P(x^2) / Q(x^2) within 3e-8 of it, from a least-squares fit that was reweighted until
# its largest errors were equal; beyond 9 tanh is 1 in float32.
FLAT = np.float32(9)
P0, P1, P2, P3, P4 = map(
    np.float32, (0.999999975, 0.133678808, 0.00347999466, 2.03533128e-05, 1.30020615e-08)
)
Q1, Q2, Q3, Q4 = map(np.float32, (0.467011926, 0.0258176105, 0.000326016792, 7.63184874e-07))


def by_numba(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop when it is first called; a product may be added before it is rounded.

    The code is kept beside this file or in the user's cache, where either can be written.
    """
    options: Any = {"nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}
    try:
        found: Callable[..., Any] = njit(cache=True, **options)(loop)
    except RuntimeError:  # neither can be
        found = njit(**options)(loop)
    return found


def _by_blas(  # Numba counts what it is given
    _: Any,
    sgemm: Any,  # noqa: ARG001
    left: Any,  # noqa: ARG001
    right: Any,  # noqa: ARG001
    total: Any,  # noqa: ARG001
    sizes: Any,  # noqa: ARG001
    transposed: Any,  # noqa: ARG001
    kept: Any,  # noqa: ARG001
) -> Any:
    """Have a BLAS add a product to a share of a total; it takes pointers, and goes down columns.

    To it all three matrices are transposed, so that it is asked for right^T @ left^T.
    """

    def generate(context: Any, builder: Any, _: Any, given: Any) -> Any:
        sgemm, left, right, total, sizes, transposed, kept = given
        pointer = ir.IntType(8).as_pointer()

        def at(value: Any) -> Any:
            place = cgutils.alloca_once_value(builder, value)  # type: ignore[no-untyped-call]
            return builder.bitcast(place, pointer)

        counts = (builder.extract_value(sizes, place) for place in range(4))
        rows, size, columns, length = (at(builder.trunc(count, ir.IntType(32))) for count in counts)
        one, plain = at(ir.FloatType()(1)), at(ir.IntType(8)(ord("N")))
        way, share = at(transposed), at(kept)
        left, right, total = (builder.inttoptr(place, pointer) for place in (left, right, total))
        matrices = (right, length, left, size)
        arguments = [way, plain, columns, rows, size, one, *matrices, share, total, columns]
        kind = ir.FunctionType(ir.VoidType(), [pointer] * len(arguments))
        builder.call(builder.inttoptr(sgemm, kind.as_pointer()), arguments)
        return context.get_dummy_value()

    counts = types.UniTuple(types.intp, 4)  # type: ignore[no-untyped-call]
    return types.void(*[types.intp] * 4, counts, types.uint8, types.float32), generate


_call_sgemm: Any = intrinsic(_by_blas)


@by_numba
def add_product(sgemm: int, total: Array, rows: Array, matrix: Array) -> None:
    """Add rows (N, K) @ matrix (K, M) to a total, (N, M)."""
    places = rows.ctypes.data, matrix.ctypes.data, total.ctypes.data
    _call_sgemm(sgemm, *places, (*rows.shape, *total.shape[1:], matrix.shape[1]), PLAIN, ONE)


@by_numba
def linear(sgemm: int, total: Array, rows: Array, weight: Array, kept: float) -> None:
    """Write rows (N, K) @ weight^T, of a weight (M, K), plus a share of the total, (N, M)."""
    places = rows.ctypes.data, weight.ctypes.data, total.ctypes.data
    sizes = (*rows.shape, *total.shape[1:], weight.shape[1])
    _call_sgemm(sgemm, *places, sizes, TRANSPOSED, kept)


@by_numba
def tanh(x: Any) -> Any:
    """Within 4e-7; not a number stays so."""
    x = FLAT if x > FLAT else x
    x = -FLAT if x < -FLAT else x
    u = x * x
    above = x * (P0 + u * (P1 + u * (P2 + u * (P3 + u * P4))))
    return above / (ONE + u * (Q1 + u * (Q2 + u * (Q3 + u * Q4))))


@by_numba
def sigmoid(x: Any) -> Any:
    """Within 2e-7."""
    return HALF * tanh(HALF * x) + HALF


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
        add_product(sgemm, wanted[t, first:last], inner[t, first:last], weight)


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
        add_product(sgemm, wanted[t, first:last], inner[t, first:last], weight)


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
        add_product(sgemm, wanted[t, first:last], inner[t, first:last], weight)
