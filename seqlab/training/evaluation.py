"""Score a split, every target once."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

import numpy as np
import torch
from numpy.typing import NDArray

from seqlab.contracts import Batch, State
from seqlab.data.tokens import Tokens, on_device
from seqlab.errors import CorpusError
from seqlab.kernels import tuning
from seqlab.model.language_model import LanguageModel
from seqlab.model.state import carry, detach_state, map_state
from seqlab.training.loss import score
from seqlab.training.metrics import Sums, TokenSizes
from seqlab.training.precision import autocast


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

    Raises:
        CorpusError: there is nothing to score.
    """
    check_scorable(tokens, fresh=fresh)
    batch_size = batch_size or rows
    if fresh:
        batches = document_batches(tokens, batch_size, window)
    else:
        batches = stream_batches(tokens, rows, batch_size, window)
    model.eval()
    device, dtype = model.head.weight.device, model.head.weight.dtype
    total = Sums.zero()
    state: State | None = None
    for batch in batches:
        batch = on_device(batch, device)
        if state is not None:  # rows at the end may be dropped
            state = map_state(itemgetter(slice(len(batch.inputs))), state)
        with autocast(device, precision):
            hidden, state = model.hidden(batch.inputs, carry(state, batch.continues))
            nats, right = score(model.head, hidden, batch.targets)
        state = detach_state(state, dtype)
        total += Sums.of(nats, batch.targets, batch.weights, sizes, right)
    return total


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


def document_batches(tokens: Tokens, rows: int, window: int) -> Iterator[Batch]:
    """Yield whole documents, the longest first; a row is dropped when its document has ended.

    A batch is `rows` windows, or more short documents of the same total length, up to a limit, as
    each has a state.
    """
    starts, targets = document_targets(tokens)
    order = np.argsort(-targets, kind="stable")[: np.count_nonzero(targets > 0)]
    first = 0
    while first < len(order):
        longest = int(targets[order[first]])
        group = order[first : first + rows * min(max(window // longest, 1), tuning.SHORT_DOCUMENTS)]
        first += len(group)
        for done in range(0, longest, window):
            rest = group[: np.count_nonzero(targets[group] > done)]
            begin, stops = starts[rest] + done, starts[rest] + targets[rest]
            length = min(window, longest - done)
            yield tokens.windows(begin, length, continues=done > 0, stops=stops)


def stream_batches(tokens: Tokens, rows: int, batch_size: int, window: int) -> Iterator[Batch]:
    """Cut the split into contiguous streams, and yield the windows of a batch of them at a time."""
    targets = len(tokens) - 1
    stride = -(-targets // rows)
    starts = np.arange(0, targets, stride)
    stops = np.minimum(starts + stride, targets)
    for first in range(0, len(starts), batch_size):
        group = slice(first, first + batch_size)
        for done in range(0, stride, window):
            length = min(window, stride - done)
            begin = starts[group] + done
            yield tokens.windows(begin, length, continues=done > 0, stops=stops[group])
