"""A loop over logits, compiled by Numba: see `seqlab.kernels.softmax_errors`."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def"

from __future__ import annotations

from functools import partial

import numpy as np

from seqlab.kernels.loops import IN_ANY_ORDER, ZERO, by_numba, exp, largest


@by_numba
def errors(logits, bias, targets, nats, sums, first, last):
    """Turn logits into errors; of an array that is wider, as many columns as there are biases."""
    for i in range(first, last):
        row, target = logits[i, : len(bias)], targets[i]
        for j in range(len(row)):
            row[j] += bias[j]
        top = largest(row)
        below = top - row[target]
        total = _powers(row, top)
        nats[i] = below + np.log(total)
        row[target] -= total
        sums[i] = total


@partial(by_numba, liberties=IN_ANY_ORDER)
def _powers(values, top):
    """Turn values into e^(value - top), and return the sum of them."""
    total = ZERO
    for j in range(len(values)):
        one = exp(values[j] - top)
        values[j] = one
        total += one
    return total
