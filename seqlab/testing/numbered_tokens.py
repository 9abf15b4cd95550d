"""Tokens whose ids are their positions, so that a batch shows where it was cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from seqlab.data.tokens import Tokens

# Primes, so that windows and batches leave a rest; the last ones are for large batches.
SIZES = (601, 1_213, 2_437, 4_877, 9_767, 19_541, 39_089, 78_179, 156_361, 312_727, 625_477)

MakeTokens: TypeAlias = Callable[[int], Tokens]


def numbered(count: int, starts: Sequence[int] | None = None) -> Tokens:
    """Tokens of the smallest integer type, as in the core; documents of all lengths, even 0."""
    if starts is None:
        middle = count // 2
        starts = (0, count // 7, count // 7, middle, middle + 1, count - 2, count)
    ids = np.arange(count).astype(np.min_scalar_type(max(count - 1, 0)))
    return Tokens(ids, np.array(starts, dtype=np.int64))


def one_document(count: int) -> Tokens:
    return numbered(count, (0,))


def many_documents(count: int) -> Tokens:
    return numbered(count, range(0, count, 53))


def weighted(count: int) -> Tokens:
    """Every fifth token does not count as a target; the others count half, once or more."""
    plain, positions = numbered(count), np.arange(count)
    weights = np.where(positions % 5 == 0, 0, 0.5 + positions % 3).astype(np.float32)
    return Tokens(plain.ids, plain.documents, weights)
