"""Which windows are trained, and in which order: pure functions of epoch and index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from seqlab import Batch, CorpusError, Permutation, Sampler, Tokens, hookimpl

Count = Annotated[int, Field(gt=0)]
Partial = Literal["drop", "keep"]


class Consecutive:
    """Each row walks through its own stretch of the corpus, window after window.

    Args:
        batch_size: B, how many rows the corpus is cut into.
        window: T, how many tokens back gradients flow.
        partial: drop what does not fill a window in every row, as the textbook does, or keep it.
    """

    def __init__(
        self,
        tokens: Tokens,
        seed: int,
        *,
        batch_size: Count = 32,
        window: Count = 35,
        partial: Partial = "drop",
    ) -> None:
        _check_length(tokens, 2 if partial == "keep" else batch_size * (window + 1), partial)
        self.tokens = tokens
        self.window = window
        if partial == "drop":
            self.stride = len(tokens) // batch_size
            self.used = (self.stride - 1) // window * window  # targets a row
        else:
            self.used = self.stride = -(-(len(tokens) - 1) // batch_size)
        self.starts = np.arange(batch_size) * self.stride
        self.stops = np.minimum(self.starts + self.used, len(tokens) - 1)

    def __len__(self) -> int:
        return -(-self.used // self.window)

    def batch(self, epoch: int, index: int) -> Batch:
        done = index * self.window
        length = min(self.window, self.used - done)
        return self.tokens.windows(
            self.starts + done, length, continues=index > 0, stops=self.stops
        )

    def left_out(self, epoch: int) -> Sequence[range]:
        ends = np.minimum([*self.starts[1:], len(self.tokens) - 1], len(self.tokens) - 1)
        gaps = [range(int(s) + 1, int(e) + 1) for s, e in zip(self.stops, ends, strict=True)]
        return [gap for gap in gaps if gap]


class Random:
    """Windows that do not overlap, shuffled anew in every epoch; each starts with a fresh state.

    Args:
        batch_size: B, windows in a batch.
        window: T, tokens in a window.
        partial: drop the last, incomplete window and batch, as the textbook does, or keep them.
    """

    def __init__(
        self,
        tokens: Tokens,
        seed: int,
        *,
        batch_size: Count = 32,
        window: Count = 35,
        partial: Partial = "drop",
    ) -> None:
        _check_length(tokens, 2 if partial == "keep" else batch_size * window + 1, partial)
        self.tokens = tokens
        self.seed = seed
        self.batch_size = batch_size
        self.window = window
        self.keep = partial == "keep"
        targets = len(tokens) - 1
        self.count = -(-targets // window) if self.keep else targets // window
        self.last = targets if self.keep else self.count * window

    def __len__(self) -> int:
        return -(-self.count // self.batch_size) if self.keep else self.count // self.batch_size

    def batch(self, epoch: int, index: int) -> Batch:
        first = index * self.batch_size
        places = np.arange(first, min(first + self.batch_size, self.count))
        starts = Permutation(self.count, self.seed, epoch)(places) * self.window
        stops = np.minimum(starts + self.window, self.last)
        return self.tokens.windows(starts, self.window, stops=stops)

    def left_out(self, epoch: int) -> Sequence[range]:
        unused = np.arange(min(len(self) * self.batch_size, self.count), self.count)
        starts = np.sort(Permutation(self.count, self.seed, epoch)(unused)) * self.window
        gaps = [range(int(start) + 1, int(start) + self.window + 1) for start in starts]
        tail = range(self.last + 1, len(self.tokens))
        return [*gaps, tail] if tail else gaps


def _check_length(tokens: Tokens, needed: int, partial: Partial) -> None:
    if len(tokens) >= needed:
        return
    advice = "; take a smaller batch_size or window, or `partial: keep`"
    raise CorpusError(
        f"the corpus is too short: it has {len(tokens):,} tokens, and one batch needs {needed:,}"
        f" (with the tokenizer `characters`: characters){advice if partial == 'drop' else ''}"
    )


@hookimpl
def seqlab_register_samplers() -> dict[str, type[Sampler]]:
    return {"consecutive": Consecutive, "random": Random}
