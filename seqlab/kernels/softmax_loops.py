"""A loop over logits, compiled by Numba: see `seqlab.kernels.softmax_errors`."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def"

from __future__ import annotations

from functools import partial

import numpy as np

from seqlab.kernels.loops import IN_ANY_ORDER, ZERO, by_numba, exp, largest


@by_numba
def errors(logits, bias, targets, nats, sums, first, last):
    """Write errors over logits; an array may have more columns than there are biases."""
    for i in range(first, last):
        row, target = logits[i, : len(bias)], targets[i]
        for j in range(len(row)):
            row[j] += bias[j]
        top = largest(row)
        below = top - row[target]
        for j in range(len(row)):
            row[j] = exp(row[j] - top)
        total = _sum(row)
        nats[i] = below + np.log(total)
        row[target] -= total
        sums[i] = total


@partial(by_numba, fastmath=IN_ANY_ORDER)
def _sum(values):
    """With more in this loop, code from the cache would have other bits than code just compiled."""
    total = ZERO
    for j in range(len(values)):
        total += values[j]
    return total
