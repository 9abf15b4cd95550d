"""Gathering columns of a matrix as rows, and summing rows into columns, compiled by Numba.

A column is read a line of a cache at a time, and so sixteen of them at once: each block of columns
is turned over in a small buffer, from which rows are copied, or to which they are added.

Shapes: N tokens, M rows and I columns of the matrix. `ids` (N,) int64 say which column is meant,
`order` (N,) and `starts` have their places by block, and `blocks` is in which order blocks come.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import numpy as np

from seqlab.loops import NOTHING, Array, by_numba

SIDE = 16  # columns in a block, and numbers in a line of a cache


@by_numba
def sort_by_block(ids: Array, starts: Array, order: Array) -> None:
    """Write the places of the ids of each block, one block after another, and where each starts."""
    for block in range(len(starts)):
        starts[block] = 0
    for place in range(len(ids)):
        starts[ids[place] // SIDE + 1] += 1
    for block in range(1, len(starts)):
        starts[block] += starts[block - 1]
    free = starts.copy()
    for place in range(len(ids)):
        block = ids[place] // SIDE
        order[free[block]] = place
        free[block] += 1


@by_numba
def gather(
    blocks: Array,
    starts: Array,
    order: Array,
    ids: Array,
    matrix: Array,
    bias: Array,
    rows: Array,
    first: int,
    last: int,
) -> None:
    """Write to each row the column that its id says, and the bias added to it."""
    length = len(matrix)
    turned = np.empty((SIDE, length + SIDE), np.float32)
    for number in range(first, last):
        block = blocks[number]
        if starts[block] == starts[block + 1]:
            continue
        column = block * SIDE
        _turn(matrix[:, column : column + SIDE], bias, turned)
        for place in order[starts[block] : starts[block + 1]]:
            found, row = turned[ids[place] - column], rows[place]
            for m in range(length):
                row[m] = found[m]


@by_numba
def _turn(columns: Array, bias: Array, turned: Array) -> None:
    length, width = columns.shape
    whole = length - length % SIDE if width == SIDE else 0
    for m in range(0, whole, SIDE):  # of a size that is known the moves are laid out beforehand
        square, into, add = columns[m : m + SIDE], turned[:, m : m + SIDE], bias[m : m + SIDE]
        for i in range(SIDE):
            for j in range(SIDE):
                into[j, i] = square[i, j] + add[i]
    for m in range(whole, length):
        for j in range(width):
            turned[j, m] = columns[m, j] + bias[m]


@by_numba
def scatter(
    blocks: Array,
    starts: Array,
    order: Array,
    ids: Array,
    rows: Array,
    matrix: Array,
    first: int,
    last: int,
) -> None:
    """Write to each column the sum of the rows whose ids say it."""
    length = len(matrix)
    turned = np.empty((SIDE, length + SIDE), np.float32)
    for number in range(first, last):
        block = blocks[number]
        column = block * SIDE
        for j in range(SIDE):
            for m in range(length):
                turned[j, m] = NOTHING
        for place in order[starts[block] : starts[block + 1]]:
            total, row = turned[ids[place] - column], rows[place]
            for m in range(length):
                total[m] += row[m]
        _turn_back(turned, matrix[:, column : column + SIDE])


@by_numba
def _turn_back(turned: Array, columns: Array) -> None:
    length, width = columns.shape
    whole = length - length % SIDE if width == SIDE else 0
    for m in range(0, whole, SIDE):
        square, into = turned[:, m : m + SIDE], columns[m : m + SIDE]
        for i in range(SIDE):
            for j in range(SIDE):
                into[i, j] = square[j, i]
    for m in range(whole, length):
        for j in range(width):
            columns[m, j] = turned[j, m]
