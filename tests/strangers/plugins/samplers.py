"""Samplers that know the lengths of documents. Shapes: B rows, T window."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

import seqlab


def spans(tokens: seqlab.Tokens) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return first and last token of each document of two tokens or more."""
    starts = np.unique(tokens.documents)
    starts = starts[starts < len(tokens)]
    lasts = np.append(starts[1:], len(tokens)) - 1
    used = lasts > starts
    if not used.any():
        raise seqlab.CorpusError("the corpus is too short: it has no document of two tokens")
    return starts[used], lasts[used]


def first_tokens(tokens: seqlab.Tokens) -> list[range]:
    """Return the targets that no fresh document has: the first of each."""
    firsts = np.unique(tokens.documents)
    return [range(n, n + 1) for n in firsts.tolist() if 0 < n < len(tokens)]


class Curriculum:
    """Whole documents, short ones first: Bengio et al., 2009.

    In the first epochs long documents are left out, fewer in each; then all come in any order.

    Args:
        batch_size: B.
        window: T, at most.
        epochs: in how many epochs documents are left out.
    """

    documents = "fresh"

    def __init__(
        self,
        tokens: seqlab.Tokens,
        seed: int,
        *,
        batch_size: seqlab.Count = 16,
        window: seqlab.Count = 35,
        epochs: seqlab.Count = 1,
    ) -> None:
        self.tokens, self.seed, self.epochs, self.window = tokens, seed, epochs, window
        starts, lasts = spans(tokens)
        order = np.argsort(lasts - starts, kind="stable")
        cuts = range(0, len(order), batch_size)
        self.groups = [(starts[o], lasts[o]) for o in (order[c : c + batch_size] for c in cuts)]
        longest = [int((lasts - starts).max()) for starts, lasts in self.groups]
        self.windows = np.array([-(-length // window) for length in longest])

    def __len__(self) -> int:
        return self.batches(0)

    def batches(self, epoch: int) -> int:
        return int(self.windows[: self._used(epoch)].sum())

    def batch(self, epoch: int, index: int) -> seqlab.Batch:
        order = np.arange(self._used(epoch))
        if epoch >= self.epochs:
            order = seqlab.Permutation(len(order), self.seed, epoch)(order)
        ends = self.windows[order].cumsum()
        place = int(ends.searchsorted(index, "right"))
        within = index - int(ends[place] - self.windows[order[place]])
        starts, lasts = self.groups[order[place]]
        begin = np.minimum(starts + within * self.window, lasts)
        width = min(self.window, int((lasts - begin).max()))
        return self.tokens.windows(begin, width, continues=within > 0, stops=lasts)

    def left_out(self, epoch: int) -> Sequence[range]:
        rest = self.groups[self._used(epoch) :]
        pairs = (pair for group in rest for pair in zip(*group, strict=True))
        return first_tokens(self.tokens) + [range(int(a) + 1, int(b) + 1) for a, b in pairs]

    def _used(self, epoch: int) -> int:
        """How many groups are trained: all after the first epochs."""
        return -(-len(self.groups) * min(epoch + 1, self.epochs + 1) // (self.epochs + 1))


class SideBySide:
    """Short documents side by side in a window, the longest first into the first that has room.

    Args:
        batch_size: B.
        window: T.
    """

    documents = "fresh"

    def __init__(
        self,
        tokens: seqlab.Tokens,
        seed: int,
        *,
        batch_size: seqlab.Count = 8,
        window: seqlab.Count = 64,
    ) -> None:
        self.tokens, self.seed, self.rows, self.window = tokens, seed, batch_size, window
        pieces = [
            (begin, min(begin + window, last))
            for first, last in zip(*map(np.ndarray.tolist, spans(tokens)), strict=True)
            for begin in range(first, last, window)
        ]  # first and last token: the last one is only a target
        self.packs = self._packed(pieces)

    def _packed(self, pieces: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        packs: list[list[tuple[int, int]]] = []
        room: list[int] = []
        unfilled = 0  # packs before it are full
        for first, last in sorted(pieces, key=lambda piece: piece[0] - piece[1]):
            needed = last - first + 1
            fits = (n for n in range(unfilled, len(packs)) if room[n] >= needed)
            place = next(fits, len(packs))
            if place == len(packs):
                packs.append([])
                room.append(self.window + 1)
            packs[place].append((first, last))
            room[place] -= needed
            while unfilled < len(packs) and room[unfilled] < 2:
                unfilled += 1
        return packs

    def __len__(self) -> int:
        return -(-len(self.packs) // self.rows)

    def batch(self, epoch: int, index: int) -> seqlab.Batch:
        numbers = np.arange(index * self.rows, min((index + 1) * self.rows, len(self.packs)))
        chosen = seqlab.Permutation(len(self.packs), self.seed, epoch)(numbers)
        places = np.zeros((len(chosen), self.window + 1), np.int64)
        counts = np.zeros(places.shape, np.float32)
        begins = np.zeros(places.shape, bool)
        for row, pack in enumerate(chosen.tolist()):
            at = 0
            for first, last in self.packs[pack]:
                length = last - first + 1
                places[row, at : at + length] = np.arange(first, last + 1)
                counts[row, at + 1 : at + length] = 1
                begins[row, at] = at > 0
                at += length
        if self.tokens.weights is not None:
            counts *= self.tokens.weights[places]
        ids = torch.from_numpy(self.tokens.ids[places].astype(np.int64))
        return seqlab.Batch(
            inputs=ids[:, :-1],
            targets=ids[:, 1:],
            continues=torch.zeros(len(chosen), dtype=torch.bool),
            weights=torch.from_numpy(counts[:, 1:]),
            starts=torch.from_numpy(begins[:, :-1]),
        )

    def left_out(self, epoch: int) -> Sequence[range]:
        return first_tokens(self.tokens)


@seqlab.hookimpl
def seqlab_register_samplers() -> dict[str, Callable[..., seqlab.Sampler]]:
    return {"curriculum": Curriculum, "side_by_side": SideBySide}
