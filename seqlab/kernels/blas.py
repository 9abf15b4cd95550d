"""Matrix products inside of compiled loops, by the BLAS that torch has.

Shapes: N rows, K summed, M columns. `sgemm` is the address of the BLAS's product; `beta` is its
factor of what `total` holds before, 0 or 1.
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"

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


def _by_blas(_, sgemm, left, right, total, sizes, transpose, beta):
    """Call the BLAS, which takes pointers and stores matrices by columns.

    Seen so, all three matrices are transposed: it is asked for right^T @ left^T.
    """

    def generate(context, builder, _, arguments):
        sgemm, left, right, total, sizes, transpose, beta = arguments
        pointer = ir.IntType(8).as_pointer()

        def at(value):
            return builder.bitcast(cgutils.alloca_once_value(builder, value), pointer)

        counts = (builder.extract_value(sizes, index) for index in range(4))
        n, k, m, stride = (at(builder.trunc(count, ir.IntType(32))) for count in counts)
        alpha, plain = at(ir.FloatType()(1)), at(ir.IntType(8)(ord("N")))
        left, right, total = (builder.inttoptr(each, pointer) for each in (left, right, total))
        passed = [at(transpose), plain, m, n, k, alpha, right, stride, left, k, at(beta), total, m]
        signature = ir.FunctionType(ir.VoidType(), [pointer] * len(passed))
        builder.call(builder.inttoptr(sgemm, signature.as_pointer()), passed)
        return context.get_dummy_value()

    counts = types.UniTuple(types.intp, 4)
    return types.void(*[types.intp] * 4, counts, types.uint8, types.float32), generate


_call_sgemm: Any = intrinsic(_by_blas)


@by_numba
def product(sgemm, total, rows, matrix, beta):
    """Write rows (N, K) @ matrix (K, M) + beta * total (N, M) to the total."""
    addresses = rows.ctypes.data, matrix.ctypes.data, total.ctypes.data
    _call_sgemm(sgemm, *addresses, (*rows.shape, *total.shape[1:], matrix.shape[1]), PLAIN, beta)


@partial(by_numba, fastmath=IN_ANY_ORDER)
def _dot(left, right):
    total = ZERO
    for k in range(len(left)):
        total += left[k] * right[k]
    return total


@by_numba
def linear(sgemm, total, rows, weight, beta):
    """Write rows (N, K) @ weight^T, of a weight (M, K), + beta * total (N, M) to the total."""
    if len(rows) > DOT_ROWS:
        addresses = rows.ctypes.data, weight.ctypes.data, total.ctypes.data
        sizes = (*rows.shape, *total.shape[1:], weight.shape[1])
        _call_sgemm(sgemm, *addresses, sizes, TRANSPOSED, beta)
        return
    for m in range(len(weight)):
        for i in range(len(rows)):
            before = total[i, m] if beta else ZERO
            total[i, m] = before + _dot(rows[i], weight[m])
