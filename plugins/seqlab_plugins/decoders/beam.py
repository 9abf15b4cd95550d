"""Beam search.

Shapes: B rows, K unfinished continuations of each, V vocabulary size, t tokens chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from seqlab import Advance, Continuation, Limits, SearchDecoder, Start, State, hookimpl, select_rows


class Beam:
    """Beam search: keep the best `beams` continuations at each step.

    A continuation that ends is finished; a row is done when no unfinished one can become better
    than the best `beams` finished ones.

    Args:
        beams: continuations that are kept at each step and returned at the end; 1: greedy.
        length_penalty: the power of (5 + length) / 6 that log-probabilities are divided by, to
            compare continuations of different lengths (Wu et al., 2016,
            https://arxiv.org/abs/1609.08144); 0: none, above 0 it favours longer ones.
    """

    def __init__(
        self,
        *,
        beams: Annotated[int, Field(gt=0, le=100_000)] = 4,
        length_penalty: Annotated[float, Field(ge=0, le=10)] = 0.0,
    ) -> None:
        self._beams = beams
        self._power = length_penalty

    def search(
        self, advance: Advance, start: Start, limits: Limits
    ) -> Sequence[Sequence[Continuation]]:
        finished: list[list[_Finished]] = [[] for _ in start.rows]
        beam = _empty_continuations(start)
        for length in range(1, limits.length + 1):
            beam = beam.extended(self._beams)
            if limits.may_stop or length == limits.length:
                self._finish(beam, limits, finished)
                beam = beam.without(self._done_rows(beam, finished, limits))
                if not beam.rows:
                    break
            beam.logits, beam.state = advance(beam.tokens[:, :, -1].flatten(), beam.state)
        return [[best.continuation for best in self._best(row)] for row in finished]

    def _finish(self, beam: _Unfinished, limits: Limits, finished: list[list[_Finished]]) -> None:
        """Collect the continuations that have ended, and do not extend them any more."""
        scores = beam.scores.tolist()
        for i, row in enumerate(beam.tokens.tolist()):
            for rank, ids in enumerate(row):
                if scores[i][rank] > -torch.inf and limits.ended(ids):
                    log_probabilities = beam.log_probabilities[i, rank].tolist()
                    continuation = Continuation(tuple(ids), tuple(log_probabilities))
                    value = self._value(scores[i][rank], len(ids))
                    finished[beam.rows[i]].append(_Finished(value, continuation))
                    beam.scores[i, rank] = -torch.inf

    def _done_rows(
        self, beam: _Unfinished, finished: list[list[_Finished]], limits: Limits
    ) -> list[int]:
        """The indices of rows that cannot improve any more.

        A sum of log-probabilities only falls, and has its largest value at the full length.
        """
        done = []
        for i, score in enumerate(beam.scores.amax(1).tolist()):
            best = self._best(finished[beam.rows[i]])
            worst = best[-1].value if len(best) == self._beams else -torch.inf
            if self._value(score, limits.length) <= worst:
                done.append(i)
        return done

    def _value(self, score: float, length: int) -> float:
        """The key for sorting continuations."""
        return score / float(((5 + length) / 6) ** self._power)

    def _best(self, finished: list[_Finished]) -> list[_Finished]:
        return sorted(finished, key=lambda item: -item.value)[: self._beams]


@dataclass(frozen=True)
class _Finished:
    value: float
    continuation: Continuation


@dataclass
class _Unfinished:
    """Rows that are not done, each with K continuations; a score of -inf marks an empty slot."""

    rows: list[int]  # B: indices into the rows of the start
    scores: Tensor  # (B, K) float64
    tokens: Tensor  # (B, K, t) int64
    log_probabilities: Tensor  # (B, K, t) float64
    state: State = field(repr=False)  # of B K rows
    logits: Tensor  # (B K, V), of the next token

    def extended(self, beams: int) -> _Unfinished:
        """Extend every continuation by every token, and keep the best."""
        count, width = self.scores.shape
        nats = self.logits.double().log_softmax(-1).view(count, width, -1)
        sums = (self.scores.unsqueeze(-1) + nats).flatten(1)  # (B, K V)
        scores, indices = sums.topk(min(beams, sums.shape[1]))
        parents = indices // nats.shape[2]  # (B, new K)
        ids = (indices % nats.shape[2]).unsqueeze(-1)
        added = nats.flatten(1).gather(1, indices).unsqueeze(-1)
        rows = torch.arange(count, device=parents.device).unsqueeze(1)
        return _Unfinished(
            self.rows,
            scores,
            torch.cat((self.tokens[rows, parents], ids), 2),
            torch.cat((self.log_probabilities[rows, parents], added), 2),
            select_rows(self.state, (rows * width + parents).flatten()),
            self.logits,
        )

    def without(self, done: Sequence[int]) -> _Unfinished:
        """Leave out rows; the logits are not updated."""
        if not done:
            return self
        indices = [i for i in range(len(self.rows)) if i not in set(done)]
        kept = torch.tensor(indices, dtype=torch.int64, device=self.scores.device)
        width = self.scores.shape[1]
        inner = torch.arange(width, device=kept.device)
        return _Unfinished(
            [self.rows[i] for i in indices],
            self.scores[kept],
            self.tokens[kept],
            self.log_probabilities[kept],
            select_rows(self.state, (kept.unsqueeze(1) * width + inner).flatten()),
            self.logits,
        )


def _empty_continuations(start: Start) -> _Unfinished:
    """One continuation without tokens for each row."""
    count = len(start.rows)
    return _Unfinished(
        list(range(count)),
        start.logits.new_zeros(count, 1, dtype=torch.float64),
        start.history.new_zeros(count, 1, 0),
        start.logits.new_zeros(count, 1, 0, dtype=torch.float64),
        start.state,
        start.logits,
    )


@hookimpl
def seqlab_register_decoders() -> dict[str, type[SearchDecoder]]:
    return {"beam": Beam}
