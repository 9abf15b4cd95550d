"""Windows that follow one another and have random lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab import Batch, Count, Sampler, Share, Tokens, hookimpl
from seqlab_plugins.samplers import Consecutive, Window


class RandomLengths:
    """As `consecutive`, with windows of random lengths: Merity et al., 2018, arXiv:1708.02182.

    Lengths are normal, and in some windows of half the mean, so that the places where windows meet
    differ from epoch to epoch. The learning rate of a step is multiplied by the length over the
    mean, as a short window would else weigh as much as a long one. Epochs differ in the number of
    batches.

    Args:
        batch_size: B, the number of rows that the corpus is cut into.
        window: the mean of the lengths T.
        deviation: their standard deviation.
        least: no window is shorter, but for the last one of an epoch.
        halved: share of the windows whose mean is half as long.
        carry_over_epochs: carry the state from the end of an epoch into the next one.
    """

    def __init__(
        self,
        tokens: Tokens,
        seed: int,
        *,
        batch_size: Count = 32,
        window: Window = 70,
        deviation: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5.0,
        least: Window = 5,
        halved: Share = 0.05,
        carry_over_epochs: bool = False,
    ) -> None:
        self._rows = Consecutive(
            tokens, seed, batch_size=batch_size, window=1, carry_over_epochs=carry_over_epochs
        )
        self.seed, self.mean, self.deviation = seed, window, deviation
        self.least, self.halved = min(least, window), halved
        self.carries_over_epochs = carry_over_epochs
        self._last: tuple[int, NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return self.batches(0)

    def batches(self, epoch: int) -> int:
        return len(self._ends(epoch)) - 1

    def batch(self, epoch: int, index: int) -> Batch:
        begin, end = self._ends(epoch)[index : index + 2].tolist()
        return self._rows.window_of(epoch, begin, end - begin)

    def rate(self, epoch: int, index: int) -> float:
        begin, end = self._ends(epoch)[index : index + 2].tolist()
        return float(end - begin) / self.mean

    def left_out(self, epoch: int) -> Sequence[range]:
        return self._rows.left_out(epoch)

    def _ends(self, epoch: int) -> NDArray[np.int64]:
        """Where the windows of an epoch end, behind 0."""
        if self._last is None or self._last[0] != epoch:
            most = -(-self._rows.used // self.least)  # windows, even if all were the shortest
            ends = np.append(0, self._lengths(epoch, most).cumsum())
            ends = ends[: np.searchsorted(ends, self._rows.used) + 1].clip(max=self._rows.used)
            self._last = epoch, ends
        return self._last[1]

    def _lengths(self, epoch: int, count: int) -> NDArray[np.int64]:
        draw = np.random.default_rng((self.seed, epoch))
        means = np.where(draw.random(count) < self.halved, self.mean / 2, self.mean)
        lengths = means + self.deviation * draw.standard_normal(count)
        return np.maximum(lengths.astype(np.int64), self.least)


@hookimpl
def seqlab_register_samplers() -> dict[str, type[Sampler]]:
    return {"random_lengths": RandomLengths}
