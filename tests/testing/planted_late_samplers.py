"""Samplers with one mistake each that shows only in later epochs or in larger corpora."""

from __future__ import annotations

import numpy as np

from seqlab import CorpusError


class Windows:
    """Windows side by side, in another order in each epoch; what the planted ones are made of.

    Args:
        batch_size: windows in a batch.
        window: tokens in a window.
    """

    def __init__(self, tokens, seed, *, batch_size: int = 4, window: int = 8) -> None:
        self.tokens, self.seed = tokens, seed
        self.batch_size, self.window = batch_size, window
        self.count = (len(tokens) - 1) // window
        if not self.count:
            raise CorpusError(f"{len(tokens)} tokens are no window")

    def __len__(self):
        return -(-self.count // self.batch_size)

    def order(self, epoch):
        return np.random.default_rng((self.seed, epoch)).permutation(self.count)

    def batch(self, epoch, index):
        first = index * self.batch_size
        chosen = self.order(epoch)[first : first + self.batch_size]
        return self.tokens.windows(chosen * self.window, self.window)

    def left_out(self, epoch):
        rest = range(self.count * self.window + 1, len(self.tokens))
        return [rest] if rest else []


class KeepsTheFirstOrder(Windows):
    """The order of the epoch that was asked for first is that of all."""

    kept = None

    def order(self, epoch):
        if self.kept is None:
            self.kept = super().order(epoch)
        return self.kept


class KeepsBatchesByIndex(Windows):
    """Keeps each batch under its index, whatever the epoch."""

    def __init__(self, tokens, seed) -> None:
        super().__init__(tokens, seed)
        self.kept = {}

    def batch(self, epoch, index):
        if index not in self.kept:
            self.kept[index] = super().batch(epoch, index)
        return self.kept[index]


class FourthEpochDrawsAgain(Windows):
    """Three orders are made ahead; later ones are drawn with replacement."""

    def order(self, epoch):
        if epoch < 3:
            return super().order(epoch)
        return np.random.default_rng((self.seed, epoch)).integers(self.count, size=self.count)


class PositionsInSixteenBits(Windows):
    """An order in 16 bits, and starts that are made of it in 16 bits."""

    def order(self, epoch):
        return super().order(epoch).astype(np.uint16)


class OnlyTheFirstThousandWindows(Windows):
    """Shuffles in a buffer of 1000 windows, and forgets to fill it again."""

    def __init__(self, tokens, seed, *, batch_size: int = 4, window: int = 8) -> None:
        super().__init__(tokens, seed, batch_size=batch_size, window=window)
        self.count = min(self.count, 1000)

    def left_out(self, epoch):
        rest = range((len(self.tokens) - 1) // self.window * self.window + 1, len(self.tokens))
        return [rest] if rest else []


class Streams:
    """Rows that go on from batch to batch; what others are made of."""

    rows, window = 3, 8

    def __init__(self, tokens, seed) -> None:
        self.tokens = tokens
        self.stride = (len(tokens) - 1) // self.rows
        if not self.stride:
            raise CorpusError(f"{len(tokens)} tokens are fewer than rows")

    def __len__(self):
        return -(-self.stride // self.window)

    def batch(self, epoch, index):
        done = index * self.window
        length = min(self.window, self.stride - done)
        starts = np.arange(self.rows) * self.stride + self.done(done)
        return self.tokens.windows(starts, length, continues=index > 0)

    def done(self, tokens):
        return tokens

    def left_out(self, epoch):
        rest = range(self.rows * self.stride + 1, len(self.tokens))
        return [rest] if rest else []


class StreamsWrap(Streams):
    """Reads a buffer of 4096 tokens a row, and goes on at its beginning."""

    def done(self, tokens):
        return tokens % 4096


class LeftOutOfTheLastEpoch(Windows):
    """`left_out` is that of the epoch whose batches were made last."""

    last = 0

    def __len__(self):
        return self.count // self.batch_size or 1

    def batch(self, epoch, index):
        self.last = epoch
        return super().batch(epoch, index)

    def left_out(self, epoch):
        if self.count < self.batch_size:
            return super().left_out(epoch)
        unused = np.sort(self.order(self.last)[len(self) * self.batch_size :])
        left = [range(n * self.window + 1, (n + 1) * self.window + 1) for n in unused.tolist()]
        return [*left, *super().left_out(epoch)]


class WeighsTheFirstEpochs(Windows):
    """From the third epoch on, every token counts."""

    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        return batch if epoch < 2 else batch._replace(weights=None)
