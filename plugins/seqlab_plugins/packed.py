"""Short documents side by side in one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from seqlab import Batch, CorpusError, Count, Permutation, Sampler, Tokens, hookimpl
from seqlab_plugins.samplers import Ranges, Window


class _Epoch(NamedTuple):
    """Pieces of documents in the order of an epoch, and where each of them lies."""

    number: int
    pieces: NDArray[np.int64]
    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]


class Packed:
    """Documents in rows as full as they get, each with a fresh state, in another order each epoch.

    A document that is longer than a window is cut into pieces, each of which begins afresh; for
    long ones, `documents` carries the state. The first token of a document is never a target. An
    epoch has as many rows as its order needs, so that epochs differ in length.

    Args:
        batch_size: B, the number of rows.
        window: T, tokens in a row.
    """

    documents = "fresh"

    def __init__(
        self, tokens: Tokens, seed: int, *, batch_size: Count = 32, window: Window = 128
    ) -> None:
        self.tokens, self.seed, self.batch_size = tokens, seed, batch_size
        self.window = window = min(window, max(len(tokens) - 1, 1))  # the rest would be padding
        starts = np.asarray(tokens.documents, dtype=np.int64)
        targets = np.append(starts[1:], len(tokens)) - starts - 1
        starts, targets = starts[targets > 0], targets[targets > 0]
        if not len(starts):
            raise CorpusError("the corpus is too short: it has no document of two tokens")
        counts = -(-targets // window)  # pieces of each document
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        self._starts = np.repeat(starts, counts) + within * window
        self._lengths = np.minimum(np.repeat(targets, counts) - within * window, window)
        self._last: _Epoch | None = None

    def __len__(self) -> int:
        return self.batches(0)

    def batches(self, epoch: int) -> int:
        return -(-(int(self._epoch(epoch).rows[-1]) + 1) // self.batch_size)

    def batch(self, epoch: int, index: int) -> Batch:
        _, pieces, rows, offsets = self._epoch(epoch)
        begin = index * self.batch_size
        chosen = slice(*np.searchsorted(rows, [begin, begin + self.batch_size]))
        own, lengths = rows[chosen] - begin, self._lengths[pieces[chosen]]
        row = np.repeat(own, lengths)
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        column = np.repeat(offsets[chosen], lengths) + within
        shape = int(own[-1]) + 1, self.window
        positions = np.full(shape, len(self.tokens) - 2)
        positions[row, column] = np.repeat(self._starts[pieces[chosen]], lengths) + within
        begins = np.zeros(shape, dtype=bool)
        begins[own, offsets[chosen]] = True
        filled = np.zeros(shape, dtype=bool)
        filled[row, column] = True
        return self._cut(positions, filled, begins)

    def _cut(
        self, positions: NDArray[np.int64], filled: NDArray[np.bool_], begins: NDArray[np.bool_]
    ) -> Batch:
        ids, weights = self.tokens.ids, filled.astype(np.float32)
        if self.tokens.weights is not None:
            weights *= self.tokens.weights[positions + 1]
        inputs, targets = (ids[places].astype(np.int64) for places in (positions, positions + 1))
        return Batch(
            torch.from_numpy(inputs),
            torch.from_numpy(targets),
            torch.zeros(len(positions), dtype=torch.bool),
            torch.from_numpy(weights),
            torch.from_numpy(begins),
        )

    def left_out(self, epoch: int) -> Sequence[range]:
        firsts = np.unique(self.tokens.documents)
        firsts = firsts[(firsts > 0) & (firsts < len(self.tokens))]
        return Ranges(firsts, firsts + 1)

    def _epoch(self, epoch: int) -> _Epoch:
        """Lay the pieces of an epoch into rows: each follows the one before, if it fits."""
        if self._last is None or self._last.number != epoch:
            count = len(self._starts)
            pieces = Permutation(count, self.seed, epoch)(np.arange(count))
            self._last = _Epoch(epoch, pieces, *_next_fit(self._lengths[pieces], self.window))
        return self._last


def _next_fit(lengths: NDArray[np.int64], room: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the row of each piece, and its place there."""
    rows, offsets = np.empty_like(lengths), np.empty_like(lengths)
    row = used = 0
    for number, length in enumerate(lengths.tolist()):
        if used + length > room:
            row, used = row + 1, 0
        rows[number], offsets[number] = row, used
        used += length
    return rows, offsets


@hookimpl
def seqlab_register_samplers() -> dict[str, type[Sampler]]:
    return {"packed": Packed}
