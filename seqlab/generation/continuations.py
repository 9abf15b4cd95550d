"""What was chosen, step by step or many steps at a time, and the continuations that it makes.

Shapes: B rows on their way, N steps, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import torch
from torch import Tensor

from seqlab.contracts import Continuation

SCORED_AT_ONCE = 1 << 16  # numbers whose logarithms are taken together; more leave the cache


class Step(NamedTuple):
    """One token for each row that was still on its way."""

    rows: Sequence[int]  # B: the number of each, counted through all starts
    ids: Tensor  # (B,)
    logits: Tensor  # (B, V)


class Stretch(NamedTuple):
    """Several tokens for each row that was on its way through all of these steps."""

    rows: Sequence[int]  # B
    ids: Tensor  # (B, N)
    log_probabilities: Tensor  # (B, N), natural


def scored(steps: Iterable[Step]) -> Iterator[Stretch]:
    """Join steps of the same rows: logarithms are taken of many at once."""
    held: list[Step] = []
    for step in steps:
        full = (len(held) + 1) * step.logits.numel() > SCORED_AT_ONCE
        if held and (full or len(step.rows) != len(held[0].rows)):
            yield _joined(held)
            held = []
        held.append(step)
    yield _joined(held)


def _joined(steps: Sequence[Step]) -> Stretch:
    if len(steps) == 1:  # many rows: no need to copy their logits
        ids, logits = steps[0].ids.unsqueeze(1), steps[0].logits.unsqueeze(1)
    else:
        ids = torch.stack([step.ids for step in steps], 1)  # (B, N)
        logits = torch.stack([step.logits for step in steps], 1)  # (B, N, V)
    return Stretch(steps[0].rows, ids, log_probabilities(logits, ids))


def continuations(stretches: Iterable[Stretch]) -> list[Continuation]:
    """Return one for each row of the first stretch; those of the same rows are read at once."""
    ids: dict[int, list[int]] = {}
    scores: dict[int, list[float]] = {}
    for rows, same in groupby(stretches, key=itemgetter(0)):
        _, chosen, their_scores = zip(*same, strict=True)
        read = torch.cat(chosen, 1).tolist(), torch.cat(their_scores, 1).tolist()
        for row, own, its in zip(rows, *read, strict=True):
            ids.setdefault(row, []).extend(own)
            scores.setdefault(row, []).extend(its)
    return [Continuation(tuple(ids[row]), tuple(scores[row])) for row in sorted(ids)]


def log_probabilities(logits: Tensor, ids: Tensor) -> Tensor:
    """Return the natural logarithm of what the model gives each id: (…, V) and (…) -> (…)."""
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return wide.log_softmax(-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1)
