"""A split in -> its loss out, every target scored once, with the state carried all the way."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from seqlab.contracts import Batch, State
from seqlab.data.tokens import Tokens, on_device
from seqlab.errors import CorpusError
from seqlab.model.language_model import LanguageModel
from seqlab.model.state import carry, settle
from seqlab.training.loss import score
from seqlab.training.measures import Sums, TokenSizes
from seqlab.training.precision import autocast


@torch.inference_mode()
def evaluate(
    model: LanguageModel,
    tokens: Tokens,
    sizes: TokenSizes,
    *,
    rows: int,
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
        batch_size: how many streams go through the model at once; None: all.
        window: how many tokens of each go through the model at once.
        precision: what the model computes in.

    Raises:
        CorpusError: there is nothing to score.
    """
    if len(tokens) < 2:
        raise CorpusError(f"a split of {len(tokens)} tokens has nothing to score")
    model.eval()
    device = model.head.weight.device
    dtype = model.head.weight.dtype
    total: Sums = Sums.zero()
    state: State | None = None
    for batch in _streams(tokens, rows, batch_size or rows, window):
        batch = on_device(batch, device)
        with autocast(device, precision):
            hidden, after = model.hidden(batch.inputs, carry(state, batch.continues))
            nats, right = score(model.head, hidden, batch.targets)
        state = settle(after, dtype)
        total += Sums.of(nats, batch.targets, batch.weights, sizes, right)
    return total


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
