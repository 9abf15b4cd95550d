"""Beam search.

Shapes: B rows, K continuations of each on their way, V vocabulary size, t tokens chosen.
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
    """The most probable continuations among those that begin as the best `beams` at each step.

    A continuation that ends is set aside; a row is done when none on its way can still be better
    than the best `beams` of those.

    Args:
        beams: how many continuations are kept at each step, and found in the end; 1: greedy.
        length_penalty: with what power of (5 + length) / 6 a log-probability is divided when
            continuations of different lengths are compared (Wu et al., 2016,
            https://arxiv.org/abs/1609.08144); 0: not at all, above 0 longer ones gain.
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
        found: list[list[_Ended]] = [[] for _ in start.rows]
        beam = _begin(start)
        for length in range(1, limits.length + 1):
            beam = beam.grown(self._beams)
            if limits.may_stop or length == limits.length:
                self._set_aside(beam, limits, found)
                beam = beam.without(self._done(beam, found, limits))
                if not beam.rows:
                    break
            beam.logits, beam.state = advance(beam.tokens[:, :, -1].flatten(), beam.state)
        return [[one.continuation for one in self._best(row)] for row in found]

    def _set_aside(self, beam: _Rows, limits: Limits, found: list[list[_Ended]]) -> None:
        """Note the continuations that have ended, and keep them from growing."""
        scores = beam.scores.tolist()
        for place, row in enumerate(beam.tokens.tolist()):
            for rank, ids in enumerate(row):
                if scores[place][rank] > -torch.inf and limits.ended(ids):
                    each = beam.each[place, rank].tolist()
                    one = Continuation(tuple(ids), tuple(each))
                    value = self._value(scores[place][rank], len(ids))
                    found[beam.rows[place]].append(_Ended(value, one))
                    beam.scores[place, rank] = -torch.inf

    def _done(self, beam: _Rows, found: list[list[_Ended]], limits: Limits) -> list[int]:
        """Return the places of rows in which nothing better can come.

        A sum of log-probabilities only falls, and counts for most at the full length.
        """
        done = []
        for place, score in enumerate(beam.scores.amax(1).tolist()):
            best = self._best(found[beam.rows[place]])
            worst = best[-1].value if len(best) == self._beams else -torch.inf
            if self._value(score, limits.length) <= worst:
                done.append(place)
        return done

    def _value(self, score: float, length: int) -> float:
        """By what continuations are ordered."""
        return score / float(((5 + length) / 6) ** self._power)

    def _best(self, ended: list[_Ended]) -> list[_Ended]:
        return sorted(ended, key=lambda one: -one.value)[: self._beams]


@dataclass(frozen=True)
class _Ended:
    value: float
    continuation: Continuation


@dataclass
class _Rows:
    """Rows that are not done, each with K continuations; one with a score of -inf is none."""

    rows: list[int]  # B: which row of the start each one is
    scores: Tensor  # (B, K) float64
    tokens: Tensor  # (B, K, t) int64
    each: Tensor  # (B, K, t) float64: the log-probability of each token
    state: State = field(repr=False)  # of B K rows
    logits: Tensor  # (B K, V), of the next token

    def grown(self, beams: int) -> _Rows:
        """Let every continuation grow by every token, and keep the best."""
        count, width = self.scores.shape
        given = self.logits.double().log_softmax(-1).view(count, width, -1)
        sums = (self.scores.unsqueeze(-1) + given).flatten(1)  # (B, K V)
        scores, places = sums.topk(min(beams, sums.shape[1]))
        parents = places // given.shape[2]  # (B, new K)
        ids = (places % given.shape[2]).unsqueeze(-1)
        added = given.flatten(1).gather(1, places).unsqueeze(-1)
        across = torch.arange(count, device=parents.device).unsqueeze(1)
        origins = (across * width + parents).flatten()
        return _Rows(
            self.rows,
            scores,
            torch.cat((self.tokens[across, parents], ids), 2),
            torch.cat((self.each[across, parents], added), 2),
            select_rows(self.state, origins),
            self.logits,
        )

    def without(self, done: Sequence[int]) -> _Rows:
        """Leave rows out; their logits are still those of before."""
        if not done:
            return self
        places = [place for place in range(len(self.rows)) if place not in set(done)]
        kept = torch.tensor(places, dtype=torch.int64, device=self.scores.device)
        width = self.scores.shape[1]
        inner = torch.arange(width, device=kept.device)
        rows = (kept.unsqueeze(1) * width + inner).flatten()
        return _Rows(
            [self.rows[place] for place in places],
            self.scores[kept],
            self.tokens[kept],
            self.each[kept],
            select_rows(self.state, rows),
            self.logits,
        )


def _begin(start: Start) -> _Rows:
    """One continuation a row, of no token."""
    count = len(start.rows)
    return _Rows(
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
