"""Loops that take several greedy steps: each begins with the most probable token of the one before.

Each runs a window of one step by a loop of `numba_loops`, over and over, and the head behind it.
Shapes: N steps, B rows, V vocabulary size in full lines of a cache, H hidden size, G gates.

`table` (V, G H) is what each id adds to the gates, `ids` (N + 1, B) int64 are the tokens, the first
ones given, and `scores` (N, B) their log-probabilities. `head` (V, H) and `head_bias` (V,) are
those of the output layer; for many rows `head_t` is (H, V) instead, otherwise empty. `logits`
(B, V) have nothing in them. States are (2, B, H), before and after a step; at the end the first is
the one to go on from.
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def"

from __future__ import annotations

from functools import partial

import numpy as np

from seqlab.kernels.blas import linear, product
from seqlab.kernels.loops import IN_ANY_ORDER, ZERO, by_numba, exp, largest
from seqlab.kernels.tuning import COMPARED_AT_ONCE
from seqlab_plugins.kernels.numba_loops import gru, lstm, rnn


@partial(by_numba, fastmath=IN_ANY_ORDER)
def _sum_of_powers(values, top):
    """Return the sum of e^(value - top)."""
    total = ZERO
    for j in range(len(values)):
        total += exp(values[j] - top)
    return total


@by_numba
def _first_of(values, top, broken):
    """Return the first that is not a number, or else the first of the largest."""
    if broken:
        for j in range(len(values)):
            if values[j] != values[j]:
                return j
    for begin in range(0, len(values), COMPARED_AT_ONCE):
        some, any_here = values[begin : begin + COMPARED_AT_ONCE], False
        for j in range(len(some)):  # without a way out, and so many at once
            any_here |= some[j] == top
        if any_here:
            for j in range(len(some)):
                if some[j] == top:
                    return begin + j
    return 0


@by_numba
def _look_up(states, table, ids, first, last):
    """Write what the ids add to the gates."""
    for i in range(first, last):
        into, column = states[i], table[ids[i]]
        for j in range(len(column)):
            into[j] = column[j]


@by_numba
def _add(gates, bias, first, last):
    for i in range(first, last):
        gate = gates[i]
        for j in range(len(bias)):
            gate[j] += bias[j]


@by_numba
def _choose(sgemm, ids, scores, logits, head, head_t, head_bias, states, first, last):
    """Write the most probable ids, and have the next step begin where this one ended."""
    for i in range(first, last):
        before, after = states[0, i], states[1, i]
        for j in range(len(after)):
            before[j] = after[j]
    if len(head_t):
        product(sgemm, logits[first:last], states[1, first:last], head_t, ZERO)
    else:
        linear(sgemm, logits[first:last], states[1, first:last], head, ZERO)
    _add(logits, head_bias, first, last)
    for i in range(first, last):
        logit = logits[i]
        top = largest(logit)
        total = _sum_of_powers(logit, top)
        ids[i] = _first_of(logit, top, total != total)
        scores[i] = -np.log(total)


@by_numba
def greedy_rnn(
    sgemm, table, ids, scores, logits, head, head_t, head_bias, states, bias, weight, first, last
):
    for n in range(len(scores)):
        _look_up(states[1], table, ids[n], first, last)
        _add(states[1], bias, first, last)
        rnn(sgemm, states, weight, first, last)
        _choose(sgemm, ids[n + 1], scores[n], logits, head, head_t, head_bias, states, first, last)


@by_numba
def greedy_gru(
    sgemm, table, ids, scores, logits, head, head_t, head_bias, states,
    x, gates, candidates, bias, weight, first, last,
):  # fmt: skip
    for n in range(len(scores)):
        _look_up(x[0], table, ids[n], first, last)
        gru(sgemm, x, states, gates, candidates, bias, weight, first, last)
        _choose(sgemm, ids[n + 1], scores[n], logits, head, head_t, head_bias, states, first, last)


@by_numba
def greedy_lstm(
    sgemm, table, ids, scores, logits, head, head_t, head_bias, states,
    cells, gates, tanh_c, bias, weight, first, last,
):  # fmt: skip
    for n in range(len(scores)):
        _look_up(gates[0], table, ids[n], first, last)
        _add(gates[0], bias, first, last)
        lstm(sgemm, states, cells, gates, tanh_c, weight, first, last)
        _choose(sgemm, ids[n + 1], scores[n], logits, head, head_t, head_bias, states, first, last)
        for i in range(first, last):
            before, after = cells[0, i], cells[1, i]
            for j in range(len(after)):
                before[j] = after[j]
