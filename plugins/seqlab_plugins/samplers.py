"""Samplers: windows and their order, as pure functions of epoch and index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab import Batch, CorpusError, Count, Permutation, Sampler, Tokens, hookimpl

Window = Annotated[int, Field(gt=0, le=2**24)]
Partial = Literal["drop", "keep"]


class Consecutive:
    """Each row reads its own part of the corpus, window after window.

    Args:
        batch_size: B, the number of rows that the corpus is cut into.
        window: T, the length of truncated backpropagation through time.
        partial: drop the rest that does not fill a window in every row, as the textbook does;
            keep it; or, `shorter`, drop what does not make rows of one length alone, and end with
            a window that is shorter, as PyTorch's word_language_model does.
        offsets: begin every epoch at the start of the corpus, or each by_epoch at another of the
            first tokens, so that what is dropped at the end differs and is trained, too.
        carry_over_epochs: carry the state from the end of an epoch into the next one, as the
            textbook does.
    """

    later_options = ("offsets", "carry_over_epochs")

    def __init__(
        self,
        tokens: Tokens,
        seed: int,
        *,
        batch_size: Count = 32,
        window: Window = 35,
        partial: Literal["drop", "keep", "shorter"] = "drop",
        offsets: Literal["fixed", "by_epoch"] = "fixed",
        carry_over_epochs: bool = False,
    ) -> None:
        fewest = {"drop": batch_size * (window + 1), "keep": 2, "shorter": batch_size * 2}
        _check_length(tokens, fewest[partial], partial)
        if offsets == "by_epoch" and partial != "drop":
            raise ValueError("`offsets: by_epoch` is for what `partial: drop` leaves out")
        self.tokens, self.seed = tokens, seed
        self.carries_over_epochs = carry_over_epochs
        self.window = window
        if partial == "keep":
            self.used = self.stride = -(-(len(tokens) - 1) // batch_size)  # targets a row
        else:
            self.stride = len(tokens) // batch_size
            self.used = self.stride - 1
            self.used -= self.used % window if partial == "drop" else 0
        self.starts = np.arange(batch_size) * self.stride
        self.stops = np.minimum(self.starts + self.used, len(tokens) - 1)
        spare = len(tokens) - 1 - int(self.starts[-1]) - self.used if offsets == "by_epoch" else 0
        self.offsets = spare + 1

    def __len__(self) -> int:
        return -(-self.used // self.window)

    def batch(self, epoch: int, index: int) -> Batch:
        done = index * self.window
        return self.window_of(epoch, done, min(self.window, self.used - done))

    def window_of(self, epoch: int, done: int, length: int) -> Batch:
        """Return the window of an epoch that begins after `done` tokens of each row."""
        offset = self._offset(epoch)
        return self.tokens.windows(
            self.starts + offset + done,
            length,
            continues=done > 0 or (self.carries_over_epochs and epoch > 0),
            stops=self.stops + offset,
        )

    def left_out(self, epoch: int) -> Sequence[range]:
        offset, last = self._offset(epoch), len(self.tokens) - 1
        ends = np.append(np.minimum(self.starts + offset, last), last)
        return Ranges(np.append(0, self.stops + offset) + 1, ends + 1)

    def _offset(self, epoch: int) -> int:
        """Where an epoch begins; in as many epochs as there are offsets each comes once."""
        cycle, number = divmod(epoch, self.offsets)
        order = Permutation(self.offsets, self.seed, cycle)
        return int(order(np.array([number]))[0]) if self.offsets > 1 else 0


class Random:
    """Windows that are shuffled in every epoch; each starts with a fresh state.

    Args:
        batch_size: B, windows in a batch.
        window: T, tokens in a window.
        windows: aligned ones are side by side, so an epoch trains each target once; those from
            anywhere start at different tokens and may overlap. Their number is the same.
        partial: drop the last, incomplete window and batch, as the textbook does, or keep them.
    """

    def __init__(
        self,
        tokens: Tokens,
        seed: int,
        *,
        batch_size: Count = 32,
        window: Window = 35,
        windows: Literal["aligned", "anywhere"] = "aligned",
        partial: Partial = "drop",
    ) -> None:
        _check_length(tokens, 2 if partial == "keep" else batch_size * window + 1, partial)
        self.tokens = tokens
        self.seed = seed
        self.batch_size = batch_size
        self.window = window = min(window, len(tokens) - 1)  # the rest would be padding
        self.anywhere = windows == "anywhere"
        self.keep = partial == "keep"
        targets = len(tokens) - 1
        self.count = -(-targets // window) if self.keep else targets // window
        self.last = targets if self.keep or self.anywhere else self.count * window
        self.positions = max(targets - window + 1, 1) if self.anywhere else self.count

    def __len__(self) -> int:
        return -(-self.count // self.batch_size) if self.keep else self.count // self.batch_size

    def batch(self, epoch: int, index: int) -> Batch:
        first = index * self.batch_size
        starts = self._starts(epoch, first, min(first + self.batch_size, self.count))
        stops = np.minimum(starts + self.window, self.last)
        return self.tokens.windows(starts, self.window, stops=stops)

    def left_out(self, epoch: int) -> Sequence[range]:
        used = min(len(self) * self.batch_size, self.count)
        if self.anywhere:
            starts = np.sort(self._starts(epoch, 0, used))
            ends = np.minimum(starts + self.window, self.last)
            return Ranges(np.append(0, ends) + 1, np.append(starts, len(self.tokens) - 1) + 1)
        starts = np.sort(self._starts(epoch, used, self.count))
        ends = np.append(starts + self.window, len(self.tokens) - 1)
        return Ranges(np.append(starts, self.last) + 1, ends + 1)

    def _starts(self, epoch: int, first: int, stop: int) -> NDArray[np.int64]:
        """The starts of windows, by their index in an epoch."""
        numbers = Permutation(self.positions, self.seed, epoch)(np.arange(first, stop))
        return numbers if self.anywhere else numbers * self.window


class Documents:
    """Each row reads whole documents, one after another, each with a fresh state.

    A window never reaches into the next document: the last one of a document is padded with
    targets that do not count. Documents are assigned to rows by their lengths, and shuffled within
    a row in every epoch. An epoch is as long as the longest row; with many documents all rows have
    about the same length. The first token of a document is never a target.

    Args:
        batch_size: B, the number of rows.
        window: T, tokens in a window.
    """

    documents = "fresh"

    def __init__(
        self, tokens: Tokens, seed: int, *, batch_size: Count = 32, window: Window = 35
    ) -> None:
        self.tokens = tokens
        self.seed = seed
        starts = np.asarray(tokens.documents, dtype=np.int64)
        targets = np.append(starts[1:], len(tokens)) - starts - 1
        usable = np.flatnonzero(targets > 0)
        if not usable.size:
            raise CorpusError("the corpus is too short: it has no document of two tokens")
        self.window = window = min(window, len(tokens) - 1)  # the rest would be padding
        rows = _assign_rows(-(-targets[usable] // window), batch_size)
        by_row = np.argsort(rows, kind="stable")
        self._rows, usable = rows[by_row], usable[by_row]
        self._starts, self._targets = starts[usable], targets[usable]
        self._windows = -(-self._targets // window)
        ends = np.append(0, np.cumsum(self._windows))
        self._firsts = ends[np.searchsorted(self._rows, np.arange(batch_size + 1))]
        self._last_epoch: tuple[int, NDArray[np.int64], NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return int(np.diff(self._firsts).max())

    def batch(self, epoch: int, index: int) -> Batch:
        order, ends = self._order(epoch)
        numbers = self._firsts[:-1] + index  # of windows in the epoch, row after row
        active = numbers < self._firsts[1:]  # the other rows have ended
        numbers = np.minimum(numbers, ends[-1] - 1)
        indices = np.searchsorted(ends, numbers, "right")
        documents = order[indices]
        within = numbers - (ends[indices] - self._windows[documents])
        starts = self._starts[documents] + within * self.window
        stops = np.minimum(starts + self.window, self._starts[documents] + self._targets[documents])
        return self.tokens.windows(
            starts,
            self.window,
            continues=active & (within > 0),
            stops=np.where(active, stops, starts),
        )

    def left_out(self, epoch: int) -> Sequence[range]:
        firsts = np.unique(self.tokens.documents)
        firsts = firsts[(firsts > 0) & (firsts < len(self.tokens))]
        return Ranges(firsts, firsts + 1)

    def _order(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The documents of an epoch, row after row, and the end of the windows of each."""
        if self._last_epoch is None or self._last_epoch[0] != epoch:
            count = len(self._rows)
            shuffled = Permutation(count, self.seed, epoch)(np.arange(count))
            order = np.lexsort((shuffled, self._rows))
            self._last_epoch = epoch, order, np.cumsum(self._windows[order])
        return self._last_epoch[1:]


def _assign_rows(sizes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """A row for each document, so that all have about the same size: the largest come first.

    They go to the rows in order, then in reverse order, and so on.
    """
    turns = np.arange(len(sizes)) % (2 * count)
    rows = np.empty_like(turns)
    rows[np.argsort(-sizes, kind="stable")] = np.minimum(turns, 2 * count - 1 - turns)
    return rows


class Ranges(Sequence[range]):
    """The ranges from `starts` to `stops` that are not empty, made when they are read."""

    def __init__(self, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> None:
        nonempty = starts < stops
        self._starts, self._stops = starts[nonempty], stops[nonempty]

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> range: ...
    @overload
    def __getitem__(self, index: slice) -> Ranges: ...
    def __getitem__(self, index: int | slice) -> range | Ranges:
        if isinstance(index, slice):
            return Ranges(self._starts[index], self._stops[index])
        return range(int(self._starts[index]), int(self._stops[index]))


def _check_length(tokens: Tokens, needed: int, partial: str) -> None:
    if len(tokens) >= needed:
        return
    advice = "; use a smaller batch_size or window, or `partial: keep`"
    raise CorpusError(
        f"the corpus is too short: it has {len(tokens):,} tokens, and one batch needs {needed:,}"
        f" (with the tokenizer `characters`: characters){advice if partial == 'drop' else ''}"
    )


@hookimpl
def seqlab_register_samplers() -> dict[str, type[Sampler]]:
    return {"consecutive": Consecutive, "documents": Documents, "random": Random}
