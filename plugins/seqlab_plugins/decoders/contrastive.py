"""Contrastive search.

Shapes: B rows, K candidates of each, V vocabulary size, O output size, t tokens so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from seqlab import Advance, Continuation, Limits, SearchDecoder, Start, hookimpl, select_rows


class Contrastive:
    """Probable tokens that are unlike what is there: Su et al., 2022.

    "A contrastive framework for neural text generation", arXiv:2202.06417. Of the most probable
    tokens it takes the one with the largest (1 - penalty) p - penalty s, where s is the largest
    cosine between its hidden output and that of a token so far, prefix included. It draws nothing
    and has one continuation of a prefix. Each step reads every candidate, and hidden outputs of the
    whole text are kept: O numbers a token.

    Args:
        candidates: how many of the most probable tokens are looked at; 1: greedy.
        penalty: the share of likeness in the decision, alpha in the paper; 0: greedy.
    """

    def __init__(
        self,
        *,
        candidates: Annotated[int, Field(gt=0, le=10_000)] = 5,
        penalty: Annotated[float, Field(ge=0, le=1)] = 0.6,
    ) -> None:
        self._candidates, self._penalty = candidates, penalty

    def search(
        self, advance: Advance, start: Start, limits: Limits
    ) -> Sequence[Sequence[Continuation]]:
        chosen: list[list[tuple[int, float]]] = [[] for _ in start.rows]
        rows = list(range(len(chosen)))
        logits, state = start.logits, start.state
        text = functional.normalize(start.hidden, dim=-1)  # (B, t, O)
        while True:
            nats = logits.double().log_softmax(-1)
            ids = self._most_probable(nats)  # (B, K)
            count = ids.shape[1]
            each = torch.arange(len(rows), device=ids.device)
            read, hidden, after = start.read(
                ids.flatten()[:, None], select_rows(state, each.repeat_interleave(count))
            )
            vectors = functional.normalize(hidden[:, 0], dim=-1).view(len(rows), count, -1)
            best = self._best(nats.gather(1, ids), vectors, text)  # (B,)
            found = ids.gather(1, best[:, None])
            scores = nats.gather(1, found)[:, 0].tolist()
            for row, token, score in zip(rows, found[:, 0].tolist(), scores, strict=True):
                chosen[row].append((token, score))
            going = [i for i, row in enumerate(rows) if not _ended(chosen[row], limits)]
            if not going:
                return [[_continuation(row)] for row in chosen]
            kept = torch.tensor(going, device=ids.device)
            rows, best = [rows[i] for i in going], best[kept]
            flat = kept * count + best
            logits, state = read[flat, 0], select_rows(after, flat)
            text = torch.cat((text[kept], vectors[kept, best][:, None]), 1)

    def _most_probable(self, nats: Tensor) -> Tensor:
        """Ids of the candidates; of equals the lowest comes first."""
        return nats.argsort(dim=-1, descending=True, stable=True)[:, : self._candidates]

    def _best(self, nats: Tensor, vectors: Tensor, text: Tensor) -> Tensor:
        """The index of the best candidate: (B, K), (B, K, O) and (B, t, O) -> (B,)."""
        likeness = (vectors @ text.transpose(1, 2)).amax(-1)  # (B, K)
        value = (1 - self._penalty) * nats.exp() - self._penalty * likeness
        return value.masked_fill(nats == -torch.inf, -torch.inf).argmax(-1)


def _ended(chosen: Sequence[tuple[int, float]], limits: Limits) -> bool:
    if not limits.may_stop:
        return len(chosen) >= limits.length
    return limits.ended([token for token, _ in chosen])


def _continuation(chosen: Sequence[tuple[int, float]]) -> Continuation:
    ids, scores = zip(*chosen, strict=True)
    return Continuation(ids, scores)


@hookimpl
def seqlab_register_decoders() -> dict[str, type[SearchDecoder]]:
    return {"contrastive": Contrastive}
