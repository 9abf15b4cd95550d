"""Score a split, every target once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqlab import kernels
from seqlab.contracts import Batch, Head, Metric, State, Window
from seqlab.data.tokens import Tokens, on_device
from seqlab.errors import CorpusError
from seqlab.kernels import tuning
from seqlab.model.language_model import LanguageModel
from seqlab.model.state import carry, detach_state, map_state
from seqlab.randomness import uniforms
from seqlab.training.metrics import Sums, TokenSizes
from seqlab.training.objective import ModelObjective
from seqlab.training.precision import autocast

SEED = 0  # of what an objective draws in evaluations: the same in every one
Placed: TypeAlias = tuple[NDArray[np.int64], Batch]
"""The position of each row's first input, and the batch."""


class Group(NamedTuple):
    """Every `of`-th stream or document from `number` on, in the order in which they are scored."""

    number: int = 0
    of: int = 1

    @property
    def places(self) -> slice:
        return slice(self.number, None, self.of)


WHOLE = Group()


@torch.inference_mode()
def evaluate(
    model: LanguageModel,
    tokens: Tokens,
    sizes: TokenSizes,
    *,
    rows: int,
    fresh: bool = False,
    batch_size: int | None = None,
    window: int = 128,
    precision: torch.dtype = torch.float32,
    metrics: Sequence[Metric] = (),
    group: Group = WHOLE,
) -> Sums:
    """Score a split; the model is left in evaluation mode.

    Args:
        model: the model to score with.
        tokens: the split.
        sizes: of every token, for bits per character and byte.
        rows: the number of streams that the split is cut into. They overlap by one token, so that
            every token but the first is a target once.
        fresh: whether each document starts with a fresh state instead, and its first token is not
            a target; `rows` then changes no number.
        batch_size: the number of streams that are scored at once; None: all.
        window: T, the number of tokens of each stream that are read at once.
        precision: of the model's computations.
        metrics: are told of every target besides.
        group: which streams, or documents, are scored.

    Raises:
        CorpusError: there is nothing to score.
    """
    check_scorable(tokens, fresh=fresh)
    model.eval()
    scored = ModelObjective(model)
    total = Sums(Sums.zero(len(scored.columns.parts)).values.to(model.device))
    state: State | None = None
    for start, batch in batches_of(tokens, rows, fresh, batch_size, window, group):
        batch = on_device(batch, model.device)
        if scored.prepare is not None:
            positions = start[:, None] + np.arange(batch.inputs.shape[1])
            batch = scored.prepared(batch, uniforms(SEED, positions, np.zeros_like(positions)))
        if state is not None:  # rows at the end may be dropped
            state = map_state(itemgetter(slice(len(batch.inputs))), state)
        before, own = scored.split(carry(state, batch.continues))
        scored_window = Window(batch.inputs, batch.targets, batch.weights, _shares(batch))
        with autocast(model.device, precision):
            hidden, after = model.hidden(batch.inputs, before)
            if metrics:
                _tell(metrics, model.head, hidden, scored_window)
            _, terms, own = scored.score(hidden, scored_window, _weight(batch), own)
        state = detach_state(scored.joined(after, own), model.dtype)
        total += Sums.of(terms, scored_window, sizes)
    return total


def batches_of(
    tokens: Tokens,
    rows: int,
    fresh: bool,
    batch_size: int | None,
    window: int,
    group: Group = WHOLE,
) -> Iterator[Placed]:
    """Yield the windows of a split in which every target is scored once; see `evaluate`."""
    if fresh:
        return document_batches(tokens, batch_size or rows, window, group)
    return stream_batches(tokens, rows, batch_size or rows, window, group)


def _tell(metrics: Sequence[Metric], head: Head, hidden: Tensor, window: Window) -> None:
    """Tell metrics of a window, some rows of logits at a time."""
    rows, targets = hidden.flatten(0, 1), window.targets.flatten()
    weights = torch.ones_like(targets, dtype=torch.float32)
    if window.weights is not None:
        weights = window.weights.flatten()
    for chunk in kernels.chunks(rows, head(rows[:1]).shape[-1]):
        if not weights[chunk].any():
            continue
        logits = head(rows[chunk])
        for metric in metrics:
            metric.update(logits, targets[chunk], weights[chunk])


def _shares(batch: Batch) -> Tensor | float:
    return 1.0 if batch.weights is None else batch.weights


def _weight(batch: Batch) -> Tensor | float:
    return float(batch.targets.numel()) if batch.weights is None else batch.weights.sum()


def check_scorable(tokens: Tokens, split: str = "", *, fresh: bool) -> None:
    """Raise CorpusError unless a split has a target."""
    name = f"split '{split}'" if split else "a split"
    if len(tokens) < 2:
        raise CorpusError(f"{name} of {len(tokens)} tokens has nothing to score")
    if fresh and not (document_targets(tokens)[1] > 0).any():
        raise CorpusError(
            f"{name} has nothing to score: none of its {len(tokens.documents):,} documents has two"
            " tokens, and the first of each is not a target (`evaluation.documents: carried` reads"
            " them as one text)"
        )


def document_targets(tokens: Tokens) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the start of each document and its number of targets: all but the first token."""
    starts = np.asarray(tokens.documents, dtype=np.int64)
    return starts, np.append(starts[1:], len(tokens)) - starts - 1


def document_batches(
    tokens: Tokens, rows: int, window: int, group: Group = WHOLE
) -> Iterator[Placed]:
    """Yield whole documents, the longest first; a row is dropped when its document has ended.

    A batch is `rows` windows, or more short documents of the same total length, up to a limit, as
    each has a state.
    """
    starts, targets = document_targets(tokens)
    order = np.argsort(-targets, kind="stable")[: np.count_nonzero(targets > 0)][group.places]
    first = 0
    while first < len(order):
        longest = int(targets[order[first]])
        count = rows * min(max(window // longest, 1), tuning.SHORT_DOCUMENTS)
        together = order[first : first + count]
        first += len(together)
        for done in range(0, longest, window):
            rest = together[: np.count_nonzero(targets[together] > done)]
            begin, stops = starts[rest] + done, starts[rest] + targets[rest]
            length = min(window, longest - done)
            yield begin, tokens.windows(begin, length, continues=done > 0, stops=stops)


def stream_batches(
    tokens: Tokens, rows: int, batch_size: int, window: int, group: Group = WHOLE
) -> Iterator[Placed]:
    """Cut the split into contiguous streams, and yield the windows of a batch of them at a time."""
    targets = len(tokens) - 1
    stride = -(-targets // rows)
    starts = np.arange(0, targets, stride)[group.places]
    stops = np.minimum(starts + stride, targets)
    for first in range(0, len(starts), batch_size):
        together = slice(first, first + batch_size)
        for done in range(0, stride, window):
            length = min(window, stride - done)
            begin = starts[together] + done
            yield begin, tokens.windows(begin, length, continues=done > 0, stops=stops[together])
