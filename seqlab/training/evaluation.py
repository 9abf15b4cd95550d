"""A split in -> its loss out, every target scored once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from seqlab.contracts import Batch, State
from seqlab.data.tokens import Tokens, on_device
from seqlab.errors import CorpusError
from seqlab.model.language_model import LanguageModel
from seqlab.model.state import carry, detach_state, first_rows
from seqlab.training.loss import score
from seqlab.training.metrics import Sums, TokenSizes
from seqlab.training.precision import autocast

MORE_ROWS = 16  # times as many short documents as streams are scored at once


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
        model: whose logits are scored.
        tokens: the split.
        sizes: of every token, for bits per character and byte.
        rows: into how many streams the split is cut. They overlap by one token, so that every
            target but the first is scored once, in one of them.
        fresh: whether each document starts with a fresh state instead, and its first token is no
            target; `rows` then changes no number.
        batch_size: how many streams go through the model at once; None: all.
        window: how many tokens of each go through the model at once.
        precision: what the model computes in.

    Raises:
        CorpusError: there is nothing to score.
    """
    check_scorable(tokens, fresh=fresh)
    at_once = batch_size or rows
    streams = (
        _documents(tokens, at_once, window) if fresh else _streams(tokens, rows, at_once, window)
    )
    model.eval()
    device = model.head.weight.device
    dtype = model.head.weight.dtype
    total: Sums = Sums.zero()
    state: State | None = None
    for batch in streams:
        batch = on_device(batch, device)
        before = None if state is None else first_rows(state, len(batch.inputs))
        with autocast(device, precision):
            hidden, after = model.hidden(batch.inputs, carry(before, batch.continues))
            nats, right = score(model.head, hidden, batch.targets)
        state = detach_state(after, dtype)
        total += Sums.of(nats, batch.targets, batch.weights, sizes, right)
    return total


def check_scorable(tokens: Tokens, split: str = "", *, fresh: bool) -> None:
    """See to it that a split has a target.

    Raises:
        CorpusError: it has none.
    """
    named = f"split '{split}'" if split else "a split"
    if len(tokens) < 2:
        raise CorpusError(f"{named} of {len(tokens)} tokens has nothing to score")
    if fresh and not (document_targets(tokens)[1] > 0).any():
        raise CorpusError(
            f"{named} has nothing to score: none of its {len(tokens.documents):,} documents has two"
            " tokens, and the first of each is no target (`evaluation.documents: carried` reads"
            " them as one text)"
        )


def document_targets(tokens: Tokens) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each document begins, and how many targets it has: all but its first token."""
    starts = np.asarray(tokens.documents, dtype=np.int64)
    return starts, np.append(starts[1:], len(tokens)) - starts - 1


def _documents(tokens: Tokens, rows: int, window: int) -> Iterator[Batch]:
    """Go through whole documents, the longest first; rows are left out when they have ended.

    At once are `rows` windows, or more short documents that take the same room; not many times
    more, as each has a state.
    """
    starts, targets = document_targets(tokens)
    order = np.argsort(-targets, kind="stable")
    order = order[: np.count_nonzero(targets > 0)]
    first = 0
    while first < len(order):
        longest = int(targets[order[first]])
        group = order[first : first + rows * min(max(window // longest, 1), MORE_ROWS)]
        first += len(group)
        for done in range(0, longest, window):
            going = group[: np.count_nonzero(targets[group] > done)]
            begin, stops = starts[going] + done, starts[going] + targets[going]
            yield tokens.windows(
                begin, min(window, longest - done), continues=done > 0, stops=stops
            )


def _streams(tokens: Tokens, rows: int, batch_size: int, window: int) -> Iterator[Batch]:
    """Cut the split into contiguous streams, and go through a batch of them at a time."""
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
