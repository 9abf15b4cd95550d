"""Loops that take several steps, each from the most probable token of the one before.

Each has a window of one step walked by a loop of `seqlab_plugins.loops`, over and over, and the
head behind it. Shapes: N steps, B rows, V vocabulary size in full lines of a cache, H hidden size,
G gates.

`table` (V, G H) is what each id adds to the gates, `ids` (N + 1, B) int64 are the tokens, the first
ones given, and `scores` (N, B) their log-probabilities. `head` (V, H) and `bias` (V,) are those of
the output layer; for many rows `turned` is (H, V) instead, otherwise empty. `logits` (B, V) have
nothing in them. States are (2, B, H), before and after a
step; at the end the first is the one to go on from.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from seqlab.loops import IN_ANY_ORDER, NOTHING, Array, by_numba, exp, largest
from seqlab_plugins.loops import elman, gated, long_short
from seqlab_plugins.product_loops import linear, product

TOGETHER = 64  # numbers that are compared at once


@partial(by_numba, liberties=IN_ANY_ORDER)
def _mass(values: Array, top: Any) -> Any:
    """Return the sum of e^(value - top)."""
    total = NOTHING
    for j in range(len(values)):
        total += exp(values[j] - top)
    return total


@by_numba
def _place(values: Array, top: Any, broken: bool) -> int:
    """Return the first that is not a number, or else the first of the largest."""
    if broken:
        for j in range(len(values)):
            if values[j] != values[j]:
                return j
    for begin in range(0, len(values), TOGETHER):
        some, found = values[begin : begin + TOGETHER], False
        for j in range(len(some)):  # without a way out, and so many at once
            found |= some[j] == top
        if found:
            for j in range(len(some)):
                if some[j] == top:
                    return begin + j
    return 0


@by_numba
def _enter(states: Array, table: Array, ids: Array, first: int, last: int) -> None:
    """Write what the ids add to the gates."""
    for i in range(first, last):
        into, column = states[i], table[ids[i]]
        for j in range(len(column)):
            into[j] = column[j]


@by_numba
def _leave(
    sgemm: int,
    ids: Array,
    scores: Array,
    logits: Array,
    head: Array,
    turned: Array,
    bias: Array,
    states: Array,
    first: int,
    last: int,
) -> None:
    """Write the most probable ids, and have the next step begin where this one ended."""
    for i in range(first, last):
        before, after = states[0, i], states[1, i]
        for j in range(len(after)):
            before[j] = after[j]
    if len(turned):
        product(sgemm, logits[first:last], states[1, first:last], turned, NOTHING)
    else:
        linear(sgemm, logits[first:last], states[1, first:last], head, NOTHING)
    for i in range(first, last):
        logit = logits[i]
        for j in range(len(bias)):
            logit[j] += bias[j]
        top = largest(logit)
        mass = _mass(logit, top)
        ids[i] = _place(logit, top, mass != mass)
        scores[i] = -np.log(mass)


@by_numba
def greedy_elman(
    sgemm: int,
    table: Array,
    ids: Array,
    scores: Array,
    logits: Array,
    head: Array,
    turned: Array,
    bias: Array,
    states: Array,
    weight: Array,
    first: int,
    last: int,
) -> None:
    for n in range(len(scores)):
        _enter(states[1], table, ids[n], first, last)
        elman(sgemm, states, weight, first, last)
        _leave(sgemm, ids[n + 1], scores[n], logits, head, turned, bias, states, first, last)


@by_numba
def greedy_gated(
    sgemm: int,
    table: Array,
    ids: Array,
    scores: Array,
    logits: Array,
    head: Array,
    turned: Array,
    bias: Array,
    states: Array,
    projected: Array,
    gates: Array,
    candidates: Array,
    inner: Array,
    weight: Array,
    first: int,
    last: int,
) -> None:
    for n in range(len(scores)):
        _enter(projected[0], table, ids[n], first, last)
        gated(sgemm, projected, states, gates, candidates, inner, weight, first, last)
        _leave(sgemm, ids[n + 1], scores[n], logits, head, turned, bias, states, first, last)


@by_numba
def greedy_long_short(
    sgemm: int,
    table: Array,
    ids: Array,
    scores: Array,
    logits: Array,
    head: Array,
    turned: Array,
    bias: Array,
    states: Array,
    memories: Array,
    gates: Array,
    bent: Array,
    weight: Array,
    first: int,
    last: int,
) -> None:
    for n in range(len(scores)):
        _enter(gates[0], table, ids[n], first, last)
        long_short(sgemm, states, memories, gates, bent, weight, first, last)
        _leave(sgemm, ids[n + 1], scores[n], logits, head, turned, bias, states, first, last)
        for i in range(first, last):
            before, after = memories[0, i], memories[1, i]
            for j in range(len(after)):
                before[j] = after[j]
