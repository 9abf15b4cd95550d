"""Samplers that keep every promise, and the mistakes that authors make with one."""

from __future__ import annotations

import numpy as np
import torch
from seqlab_plugins.samplers import Documents

from seqlab import Batch, CorpusError


class Shuffled:
    """Windows in another order in every epoch, each with a fresh state.

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

    def starts(self, epoch, index):
        first = index * self.batch_size
        return self.order(epoch)[first : first + self.batch_size] * self.window

    def batch(self, epoch, index):
        return self.tokens.windows(self.starts(epoch, index), self.window)

    def left_out(self, epoch):
        return [range(self.count * self.window + 1, len(self.tokens))]


class Streams:
    """Rows that go on from batch to batch.

    Args:
        rows: streams that the corpus is cut into.
        window: tokens in a window.
    """

    def __init__(self, tokens, seed, *, rows: int = 3, window: int = 8) -> None:
        self.tokens, self.rows, self.window = tokens, rows, window
        self.stride = (len(tokens) - 1) // rows
        if not self.stride:
            raise ValueError(f"{len(tokens)} tokens are fewer than rows")

    def __len__(self):
        return -(-self.stride // self.window)

    def continues(self, index):
        return index > 0

    def batch(self, epoch, index):
        done = index * self.window
        starts = np.arange(self.rows) * self.stride + done
        length = min(self.window, self.stride - done)
        return self.tokens.windows(starts, length, continues=self.continues(index))

    def left_out(self, epoch):
        return (range(self.rows * self.stride + 1, len(self.tokens)),)


class Packed(Shuffled):
    """Two pieces in a window; where they meet, no target counts."""

    def __init__(self, tokens, seed, *, window: int = 8) -> None:
        super().__init__(tokens, seed, batch_size=2, window=window)

    def batch(self, epoch, index):
        pieces = super().batch(epoch, index)
        weights = torch.ones(pieces.targets.shape)
        if self.tokens.weights is not None:
            weights = torch.from_numpy(self.tokens.weights)[pieces.targets]
        weights[:, -1] = 0
        rows = (part.reshape(1, -1) for part in (pieces.inputs, pieces.targets, weights))
        inputs, targets, weights = rows
        return Batch(inputs, targets, torch.zeros(1, dtype=torch.bool), weights)

    def left_out(self, epoch):
        ends = [(number + 1) * self.window for number in range(self.count)]
        return [*(range(end, end + 1) for end in ends), *super().left_out(epoch)]


class ABatchOfDocuments(Shuffled):
    def __len__(self):
        return len(self.tokens.documents) // 32


class NarrowIds(Shuffled):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        return batch._replace(inputs=batch.inputs.int())


class FlagsInAColumn(Shuffled):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        return batch._replace(continues=batch.continues[:, None])


class OneRowIsFlat(Shuffled):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        return batch._replace(inputs=batch.inputs.squeeze(0), targets=batch.targets.squeeze(0))


class PaddedWithMinusAHundred(Shuffled):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        weights = torch.ones(batch.targets.shape)
        weights[:, -1] = 0
        targets = torch.where(weights > 0, batch.targets, -100)
        return batch._replace(targets=targets, weights=weights)


class IntegerWeights(Shuffled):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        return batch._replace(weights=torch.ones_like(batch.targets))


class NegativeWeights(Shuffled):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        return batch._replace(weights=-torch.ones(batch.targets.shape))


class TargetsAreInputs(Shuffled):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        return batch._replace(targets=batch.inputs)


class TargetsTwoFurther(Shuffled):
    def batch(self, epoch, index):
        starts = self.starts(epoch, index)
        further = self.tokens.windows(starts + 1, self.window)
        return super().batch(epoch, index)._replace(targets=further.targets)


class ShuffledWithinTheWindow(Shuffled):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        order = torch.from_numpy(np.random.default_rng((self.seed, epoch)).permutation(self.window))
        return batch._replace(inputs=batch.inputs[:, order], targets=batch.targets[:, order])


class SaysNothingIsLeftOut(Shuffled):
    def left_out(self, epoch):
        return []


class LeavesOutOneTooMany(Shuffled):
    def left_out(self, epoch):
        return [range(self.count * self.window, len(self.tokens))]


class LeavesOutBeyondTheEnd(Shuffled):
    def left_out(self, epoch):
        return [range(self.count * self.window + 1, len(self.tokens) + 1)]


class LeavesOutTheSameTwice(Shuffled):
    def left_out(self, epoch):
        return [*super().left_out(epoch), *super().left_out(epoch)]


class LeavesOutASlice(Shuffled):
    def left_out(self, epoch):
        return [slice(self.count * self.window + 1, len(self.tokens))]


class SamplesWithReplacement(Shuffled):
    def order(self, epoch):
        return np.random.default_rng((self.seed, epoch)).integers(0, self.count, self.count)


class ForgetsTheSecondEpoch(Shuffled):
    """Its gaps are those of epoch 0, whatever the epoch is."""

    def __len__(self):
        return self.count // self.batch_size

    def left_out(self, epoch):
        unused = np.sort(self.order(0)[len(self) * self.batch_size :]) * self.window
        return [*(range(s + 1, s + self.window + 1) for s in unused), *super().left_out(0)]


class ForgetsWeights(Shuffled):
    def batch(self, epoch, index):
        return super().batch(epoch, index)._replace(weights=None)


class WeighsInputs(Shuffled):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        if self.tokens.weights is None:
            return batch
        weights = torch.from_numpy(self.tokens.weights)[batch.inputs]
        return batch._replace(weights=weights)


class ContinuesIntoTheEpoch(Streams):
    def continues(self, index):
        return True


class ContinuesWhereItDoesNot(Shuffled):
    def batch(self, epoch, index):
        starts = self.starts(epoch, index)
        return self.tokens.windows(starts, self.window, continues=index > 0)


class OverlapsByOne(Streams):
    """Each window begins with the last input of the one before."""

    def batch(self, epoch, index):
        begin = max(index * self.window - 1, 0)
        starts = np.arange(self.rows) * self.stride + begin
        length = min(self.window, self.stride - begin)
        return self.tokens.windows(starts, length, continues=index > 0)


class LosesARow(Streams):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        return Batch(*(part if part is None else part[: self.rows - index % 2] for part in batch))

    def left_out(self, epoch):
        trained = {p for i in range(len(self)) for p in self.batch(epoch, i).targets.flatten()}
        return [range(p, p + 1) for p in range(1, len(self.tokens)) if p not in trained]


class GoesOnWhereItIs(Shuffled):
    """A generator inside: the index is not heeded."""

    def __init__(self, tokens, seed, *, window: int = 8) -> None:
        super().__init__(tokens, seed, window=window)
        self.asked = 0

    def batch(self, epoch, index):
        self.asked += 1
        return super().batch(epoch, (self.asked - 1) % len(self))


class OneBufferForAll(Streams):
    def __init__(self, tokens, seed, *, rows: int = 3, window: int = 8) -> None:
        super().__init__(tokens, seed, rows=rows, window=window)
        self.buffer = torch.zeros(rows, window, dtype=torch.int64)

    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        inputs = self.buffer[:, : batch.inputs.shape[1]].copy_(batch.inputs)
        return batch._replace(inputs=inputs)


class AnotherOrderInEveryProcess(Shuffled):
    def __init__(self, tokens, seed, *, window: int = 8) -> None:
        super().__init__(tokens, seed, window=window)
        self.seed = int(np.random.default_rng().integers(2**62))


class ShufflesTheTokens(Streams):
    def batch(self, epoch, index):
        batch = super().batch(epoch, index)
        self.tokens.ids[:] = np.roll(self.tokens.ids, 1)
        return batch


class SeedsTorch(Shuffled):
    def order(self, epoch):
        torch.manual_seed(self.seed + epoch)
        return torch.randperm(self.count).numpy()


class DrawsOnceWhenBuilt(Shuffled):
    """The order is one for all epochs, from a generator that belongs to nobody."""

    def __init__(self, tokens, seed, *, window: int = 8) -> None:
        super().__init__(tokens, seed, window=window)
        self.drawn = np.random.permutation(self.count)

    def order(self, epoch):
        return self.drawn


class TakesSmallSeedsOnly(Shuffled):
    def order(self, epoch):
        return np.random.RandomState(self.seed + epoch).permutation(self.count)


class SeedOverflows(Shuffled):
    def order(self, epoch):
        return np.random.default_rng(np.int64(self.seed) * 2 + epoch).permutation(self.count)


class NeedsASecondDocument(Shuffled):
    def __init__(self, tokens, seed, *, window: int = 8) -> None:
        super().__init__(tokens, seed, window=window)
        self.longest = int(tokens.documents[1])


class SaysFreshAndReadsOn(Streams):
    documents = "fresh"


class FreshWithoutSaying(Documents):
    documents = "carried"


class ShortIsEmpty(Streams):
    def __init__(self, tokens, seed, *, rows: int = 3, window: int = 8) -> None:
        self.tokens, self.rows, self.window = tokens, rows, window
        self.stride = (len(tokens) - 1) // rows


class ShortIsDividedByZero(Streams):
    def __init__(self, tokens, seed, *, rows: int = 3, window: int = 8) -> None:
        super().__init__(tokens, seed, rows=rows, window=window)
        self.share = 1 / (len(tokens) // window)


class RatesByTheClock(Streams):
    def rate(self, epoch, index):
        self.asked = getattr(self, "asked", 0) + 1
        return 1.0 / self.asked


class RateBelowZero(Streams):
    def rate(self, epoch, index):
        return 1.0 - index
