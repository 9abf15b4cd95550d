"""Products in loops, by a BLAS that is called without Python.

Shapes: N rows, K summed, M columns. `sgemm` is the address of the BLAS's product.
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def"

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from seqlab.kernels.loops import IN_ANY_ORDER, ZERO, by_numba
from seqlab.kernels.tuning import DOT_ROWS

PLAIN, TRANSPOSED = map(np.uint8, b"NT")


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
def product(sgemm, total, rows, matrix, kept):
    """Write rows (N, K) @ matrix (K, M), plus a share of the total, (N, M)."""
    places = rows.ctypes.data, matrix.ctypes.data, total.ctypes.data
    _call_sgemm(sgemm, *places, (*rows.shape, *total.shape[1:], matrix.shape[1]), PLAIN, kept)


@partial(by_numba, liberties=IN_ANY_ORDER)
def _dot(left, right):
    total = ZERO
    for k in range(len(left)):
        total += left[k] * right[k]
    return total


@by_numba
def linear(sgemm, total, rows, weight, kept):
    """Write rows (N, K) @ weight^T, of a weight (M, K), plus a share of the total, (N, M).

    The share is nothing or all of it.
    """
    if len(rows) > DOT_ROWS:
        places = rows.ctypes.data, weight.ctypes.data, total.ctypes.data
        sizes = (*rows.shape, *total.shape[1:], weight.shape[1])
        _call_sgemm(sgemm, *places, sizes, TRANSPOSED, kept)
        return
    for m in range(len(weight)):
        for i in range(len(rows)):
            before = total[i, m] if kept else ZERO
            total[i, m] = before + _dot(rows[i], weight[m])
