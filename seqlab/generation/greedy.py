"""Greedy decoding, many steps in one call.

Shapes: B active rows, N steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from seqlab.contracts import Decoder, GreedySteps, Limits, Start
from seqlab.errors import PluginError
from seqlab.generation.choosing import check_ids
from seqlab.generation.continuations import Steps, log_probabilities
from seqlab.generation.search import Ends
from seqlab.model.state import join_rows, select_rows


def choose_greedily(
    decoder: Decoder, take_steps: GreedySteps, starts: Sequence[Start], limits: Limits
) -> Iterator[Steps]:
    """Continue all rows, as `choose_stepwise` would.

    The decoder chooses the first token only. Tokens after a stop are dropped, and so is a row that
    has ended.
    """
    rows: Sequence[int] = range(sum(len(start.rows) for start in starts))
    ends = Ends(limits, len(rows)) if limits.may_stop else None
    logits = torch.cat([start.logits for start in starts])
    state = join_rows([start.state for start in starts])
    ids = torch.cat([_first_ids(decoder, start) for start in starts]).unsqueeze(1)  # (B, 1)
    scores, remaining = log_probabilities(logits, ids.squeeze(1)).unsqueeze(1), limits.length
    while True:
        remaining -= ids.shape[1]
        parts, active = _split(Steps(rows, ids, scores), ends)
        yield from parts
        if not remaining or not active:
            return
        if len(active) < len(rows):
            kept = torch.tensor(active, device=ids.device)
            rows, ids, state = [rows[i] for i in active], ids[kept], select_rows(state, kept)
        ids, scores, state = take_steps(ids[:, -1], state, remaining)
        _check(ids, scores, len(rows), remaining)


def _first_ids(decoder: Decoder, start: Start) -> Tensor:
    uniform = torch.zeros(len(start.rows), dtype=torch.float64, device=start.logits.device)
    ids = decoder.choose(start.logits, start.history, uniform)
    check_ids(ids, len(start.rows), f"decoder {type(decoder).__name__}: `choose`")
    return ids


def _check(ids: Tensor, scores: Tensor, rows: int, limit: int) -> None:
    fits = ids.dim() == 2 and len(ids) == rows and 0 < ids.shape[1] <= limit
    if not fits or ids.dtype != torch.int64 or scores.shape != ids.shape:
        raise PluginError(
            f"greedy steps of the cell: ids (int64) and log-probabilities should be of {rows} rows"
            f" and 1 to {limit} steps; they are {ids.dtype} {tuple(ids.shape)} and"
            f" {tuple(scores.shape)}"
        )


def _split(steps: Steps, ends: Ends | None) -> tuple[list[Steps], Sequence[int]]:
    """Cut steps where rows end; return the parts, and the indices of the rows still active."""
    active: Sequence[int] = range(len(steps.rows))
    if ends is None:
        return [steps], active
    parts, begin, last = [], 0, steps.ids.shape[1]
    for end, column in enumerate(steps.ids.unbind(1), start=1):
        rows = [steps.rows[i] for i in active]
        still_active = ends.active(rows, column[list(active)])
        if still_active is None and end < last:
            continue
        ids, scores = (part[list(active), begin:end] for part in steps[1:])
        parts.append(Steps(rows, ids, scores))
        active, begin = active if still_active is None else [active[i] for i in still_active], end
        if not active:
            break
    return parts, active
