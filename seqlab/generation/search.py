"""Both forms of a decoder as one: from the start of a search to continuations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from seqlab.contracts import Advance, Continuation, Decoder, Limits, SearchDecoder, Start
from seqlab.randomness import uniforms

Search = Callable[[Advance, Start, Limits], Sequence[Sequence[Continuation]]]


def as_search(decoder: Decoder | SearchDecoder, seed: int) -> Search:
    """Return the decoder's own search, or lift its `choose` to one."""
    if isinstance(decoder, SearchDecoder):
        return decoder.search

    def search(advance: Advance, start: Start, limits: Limits) -> Sequence[Sequence[Continuation]]:
        return _step_by_step(decoder, seed, advance, start, limits)

    return search


def _step_by_step(
    decoder: Decoder, seed: int, advance: Advance, start: Start, limits: Limits
) -> Sequence[Sequence[Continuation]]:
    logits, state, history = start.logits, start.state, start.history
    chosen: list[Tensor] = []
    scores: list[Tensor] = []
    ended = torch.zeros_like(start.rows, dtype=torch.bool)
    stops = torch.tensor(sorted(limits.stop), dtype=torch.int64, device=logits.device)
    for step in range(limits.length):
        if step:
            logits, state = advance(chosen[-1], state)
        ids = decoder.choose(logits, history, _uniform(seed, start.rows, step, logits))
        chosen.append(ids)
        scores.append(logits.log_softmax(-1).gather(1, ids[:, None])[:, 0])
        history = torch.cat((history, ids[:, None]), 1)
        ended |= torch.isin(ids, stops)
        if ended.all():
            break
    return [[c] for c in _cut(chosen, scores, limits)]


def _uniform(seed: int, rows: Tensor, step: int, like: Tensor) -> Tensor:
    numbers = rows.cpu().numpy()
    values = uniforms(seed, numbers, numbers * 0 + step)
    return torch.from_numpy(values).to(like.device)


def _cut(chosen: list[Tensor], scores: list[Tensor], limits: Limits) -> list[Continuation]:
    """End each row with its first stop token."""
    continuations: list[Continuation] = []
    all_ids, all_scores = torch.stack(chosen, 1).tolist(), torch.stack(scores, 1).tolist()
    for ids, row_scores in zip(all_ids, all_scores, strict=True):
        ends = [place + 1 for place, token in enumerate(ids) if token in limits.stop]
        end = min(ends, default=len(ids))
        continuations.append(Continuation(tuple(ids[:end]), tuple(row_scores[:end])))
    return continuations
