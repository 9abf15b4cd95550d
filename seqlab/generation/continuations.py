"""Join the chosen tokens of each row into a continuation.

Shapes: B active rows, N steps, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import torch
from torch import Tensor

from seqlab.contracts import Continuation
from seqlab.kernels import tuning


class Step(NamedTuple):
    """One token for each active row."""

    rows: Sequence[int]  # B: the index of each row among those of all starts
    ids: Tensor  # (B,)
    logits: Tensor  # (B, V)


class Steps(NamedTuple):
    """Several tokens for each row that was active in all of these steps."""

    rows: Sequence[int]  # B
    ids: Tensor  # (B, N)
    log_probabilities: Tensor  # (B, N), natural


class Ended(NamedTuple):
    """Rows that the decoder has ended, and why: they have no further token."""

    reasons: Mapping[int, str]


def scored(steps: Iterable[Step | Steps | Ended]) -> Iterator[Steps | Ended]:
    """Join single steps of the same rows, to compute the log-probabilities of many at once."""
    joined: list[Step] = []
    for step in steps:
        if not isinstance(step, Step):
            yield step
            continue
        is_full = (len(joined) + 1) * step.logits.numel() > tuning.LOGARITHMS_AT_ONCE
        if joined and (is_full or len(step.rows) != len(joined[0].rows)):
            yield _join(joined)
            joined = []
        joined.append(step)
    if joined:
        yield _join(joined)


def _join(steps: Sequence[Step]) -> Steps:
    if len(steps) == 1:  # many rows: no need to copy their logits
        ids, logits = steps[0].ids.unsqueeze(1), steps[0].logits.unsqueeze(1)
    else:
        ids = torch.stack([step.ids for step in steps], 1)  # (B, N)
        logits = torch.stack([step.logits for step in steps], 1)  # (B, N, V)
    return Steps(steps[0].rows, ids, log_probabilities(logits, ids))


def continuations(steps: Iterable[Steps | Ended]) -> list[Continuation]:
    """Return a continuation for each row; steps of the same rows are read from the device once."""
    ids: dict[int, list[int]] = {}
    scores: dict[int, list[float]] = {}
    reasons: dict[int, str] = {}
    for rows, group in groupby(_steps_of(steps, reasons), key=itemgetter(0)):
        _, group_ids, group_scores = zip(*group, strict=True)
        lists = torch.cat(group_ids, 1).tolist(), torch.cat(group_scores, 1).tolist()
        for row, row_ids, row_scores in zip(rows, *lists, strict=True):
            ids.setdefault(row, []).extend(row_ids)
            scores.setdefault(row, []).extend(row_scores)
    return [
        Continuation(tuple(ids.get(row, ())), tuple(scores.get(row, ())), reasons.get(row, ""))
        for row in sorted({*ids, *reasons})
    ]


def _steps_of(steps: Iterable[Steps | Ended], reasons: dict[int, str]) -> Iterator[Steps]:
    """Yield the steps; why rows have ended is added to `reasons`."""
    for step in steps:
        if isinstance(step, Ended):
            reasons.update(step.reasons)
        else:
            yield step


def log_probabilities(logits: Tensor, ids: Tensor) -> Tensor:
    """Return the natural log-probability of each id: (…, V) and (…) -> (…)."""
    logits = logits if logits.dtype == torch.float64 else logits.float()
    return logits.log_softmax(-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1)
