"""Counts of n-grams, and their smoothed probabilities, as arrays.

A gram of k tokens has a number among the distinct ones of its length. It is found by the number of
its first k - 1 tokens and its last token, so a lookup is a search in one sorted array for each k.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
NONE = -1  # of a gram that was never seen, or of a place without a token


class _Level(NamedTuple):
    """All grams of k tokens."""

    keys: Ints  # (grams,), sorted: number of the first k - 1 tokens, times V, plus the last one
    counts: NDArray[np.float64]  # (grams,): c(gram), or of how many tokens it was seen behind
    discounts: NDArray[np.float64]  # (4,), of counts 0, 1, 2, 3 and more
    totals: NDArray[np.float64]  # (contexts,): the sum of the counts behind each context
    left: NDArray[np.float64]  # (contexts,): the sum of the discounts behind each context


class NGrams:
    """Interpolated Kneser-Ney with modified discounts (Chen and Goodman, 1998).

        p(w | context) = (c - D(c)) / sum of c + (sum of D(c)) / (sum of c) p(w | shorter context)

    c counts how often a gram of the highest order was seen, and of a lower one, behind how many
    different tokens. Below one token there is the uniform distribution.

    Args:
        ids: (N,), the text.
        vocabulary: V.
        order: the number of tokens of the longest grams.
    """

    def __init__(self, ids: Ints, vocabulary: int, order: int) -> None:
        self.vocabulary = vocabulary
        numbers = [np.zeros(len(ids) + 1, dtype=np.int64)]  # of the empty gram before each place
        keys: list[Ints] = []
        raw: list[Ints] = []
        suffixes: list[Ints] = []
        for k in range(1, order + 1):
            places = numbers[-1][: len(ids) - k + 1] * vocabulary + ids[k - 1 :]
            found, first, number, count = np.unique(
                places, return_index=True, return_inverse=True, return_counts=True
            )
            keys.append(found)
            raw.append(count)
            shorter = numbers[-1][1:] if k > 1 else np.zeros(len(ids), dtype=np.int64)
            suffixes.append(shorter[first] if len(first) else first)
            numbers.append(number.astype(np.int64))
        self._levels = []
        for k in range(order):
            behind = k + 1 < order
            size = len(keys[k])
            counts = np.bincount(suffixes[k + 1], minlength=size) if behind else raw[k]
            contexts = len(keys[k - 1]) if k else 1
            self._levels.append(_level(keys[k], counts.astype(np.float64), contexts, vocabulary))

    def probabilities(self, rows: Ints) -> NDArray[np.float64]:
        """Return p of each token but the first of rows (B, L) given those before it, (B, L - 1).

        A place without a token (-1) ends contexts.
        """
        tokens = rows[:, 1:]
        result = np.full(tokens.shape, 1 / self.vocabulary)
        context = np.zeros(rows.shape, dtype=np.int64)  # the number of that which ends at a place
        for level in self._levels:
            before = context[:, :-1]
            result = _smoothed(level, before, tokens, result, self.vocabulary)
            longer = np.full(rows.shape, NONE)
            longer[:, 1:] = _find(level.keys, before, rows[:, 1:], self.vocabulary)
            if level is self._levels[0]:
                longer = _find(level.keys, np.zeros_like(rows), rows, self.vocabulary)
            context = longer
        return result


def _level(keys: Ints, counts: NDArray[np.float64], contexts: int, vocabulary: int) -> _Level:
    discounts = _discounts(counts)
    of_context = keys // vocabulary
    taken = discounts[np.minimum(counts, 3).astype(np.int64)]
    totals, left = (_sums(of_context, values, contexts) for values in (counts, taken))
    return _Level(keys, counts, discounts, totals, left)


def _sums(places: Ints, values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Add up the values of each place."""
    return np.bincount(places, values, size).astype(np.float64)


def _discounts(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Those of the paper, from how many grams were seen once, twice, and so on up to four times.

    Where a text is too short for that, each is at most three quarters of a count.
    """
    n = [float(np.count_nonzero(counts == times)) for times in range(1, 5)]
    if not all(n):
        return np.array([0.0, 0.75, 0.75, 0.75])
    y = n[0] / (n[0] + 2 * n[1])
    found = [times - (times + 1) * y * n[times] / n[times - 1] for times in (1, 2, 3)]
    return np.clip([0.0, *found], 0.0, [0.0, 1.0, 2.0, 3.0])


def _smoothed(
    level: _Level, context: Ints, tokens: Ints, shorter: NDArray[np.float64], vocabulary: int
) -> NDArray[np.float64]:
    """Add a level to the probabilities of shorter contexts, where its context was seen."""
    known = np.maximum(context, 0)
    totals = np.where(context >= 0, level.totals[known], 0.0)
    gram = _find(level.keys, context, tokens, vocabulary)
    counts = np.where(gram >= 0, level.counts[np.maximum(gram, 0)], 0.0)
    kept = counts - level.discounts[np.minimum(counts, 3).astype(np.int64)]
    with np.errstate(divide="ignore", invalid="ignore"):
        mixed = (kept + level.left[known] * shorter) / totals
    return np.where(totals > 0, mixed, shorter)


def _find(keys: Ints, context: Ints, tokens: Ints, vocabulary: int) -> Ints:
    """The numbers of grams by context and last token; NONE: there is no such gram."""
    wanted = context * vocabulary + tokens
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    there = (keys[places] == wanted) & (context >= 0) & (tokens >= 0)
    return np.where(there, places, NONE)
