"""A decoder that always takes the most probable token: many steps in one call, then the stops.

Shapes: B rows on their way, N steps of a walk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from seqlab.contracts import Decoder, GreedySteps, Limits, Start
from seqlab.errors import PluginError
from seqlab.generation.continuations import Stretch, log_probabilities
from seqlab.generation.search import Ends, expect_ids
from seqlab.model.state import join_rows, select_rows


def walking(
    decoder: Decoder, walk: GreedySteps, starts: Sequence[Start], limits: Limits
) -> Iterator[Stretch]:
    """Continue all rows, as `choosing` would; a row that has ended is left out of the next walk.

    The decoder is asked for the first token alone. What a walk says behind a stop is dropped.
    """
    rows: Sequence[int] = range(sum(len(start.rows) for start in starts))
    ends = Ends(limits, len(rows)) if limits.may_stop else None
    logits = torch.cat([start.logits for start in starts])
    state = join_rows([start.state for start in starts])
    ids = torch.cat([_first(decoder, start) for start in starts]).unsqueeze(1)  # (B, 1)
    scores, left = log_probabilities(logits, ids.squeeze(1)).unsqueeze(1), limits.length
    while True:
        left -= ids.shape[1]
        parts, going = _split(Stretch(rows, ids, scores), ends)
        yield from parts
        if not left or not going:
            return
        if len(going) < len(rows):
            kept = torch.tensor(going, device=ids.device)
            rows, ids, state = [rows[p] for p in going], ids[kept], select_rows(state, kept)
        ids, scores, state = walk(ids[:, -1], state, left)
        _check(ids, scores, len(rows), left)


def _first(decoder: Decoder, start: Start) -> Tensor:
    chance = torch.zeros(len(start.rows), dtype=torch.float64, device=start.logits.device)
    ids = decoder.choose(start.logits, start.history, chance)
    expect_ids(decoder, ids, len(start.rows))
    return ids


def _check(ids: Tensor, scores: Tensor, rows: int, wanted: int) -> None:
    fits = ids.dim() == 2 and len(ids) == rows and 0 < ids.shape[1] <= wanted
    if not fits or ids.dtype != torch.int64 or scores.shape != ids.shape:
        raise PluginError(
            f"greedy steps of the cell: ids (int64) and log-probabilities should be of {rows} rows"
            f" and 1 to {wanted} steps; they are {ids.dtype} {tuple(ids.shape)} and"
            f" {tuple(scores.shape)}"
        )


def _split(whole: Stretch, ends: Ends | None) -> tuple[list[Stretch], Sequence[int]]:
    """Cut a stretch where rows stop in it; return the places of those that go on, too."""
    going: Sequence[int] = range(len(whole.rows))
    if ends is None:
        return [whole], going
    parts, begin, steps = [], 0, whole.ids.shape[1]
    for step, column in enumerate(whole.ids.unbind(1), start=1):
        rows = [whole.rows[place] for place in going]
        left = ends.going(rows, column[list(going)])
        if left is None and step < steps:
            continue
        ids, scores = (part[list(going), begin:step] for part in whole[1:])
        parts.append(Stretch(rows, ids, scores))
        going, begin = going if left is None else [going[place] for place in left], step
        if not going:
            break
    return parts, going
