"""Beam search in groups that differ. Shapes: K beams of a group, V vocabulary size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

import seqlab

SEQLAB_API = 2


class Beam(NamedTuple):
    """Unfinished continuations of one group."""

    ids: list[list[int]]  # K
    nats: list[list[float]]  # K: log-probabilities of the ids
    logits: Tensor  # (K, V), of the next token
    state: seqlab.State


class DiverseBeam:
    """Groups of beams, each penalised for what others say: Vijayakumar et al., 2016.

    "Diverse beam search", arXiv:1610.02424, with the penalty called Hamming diversity.

    Args:
        groups: how many.
        beams: K, of each group.
        penalty: nats that a token loses for each beam of an earlier group that takes it.
    """

    def __init__(
        self,
        *,
        groups: seqlab.Count = 2,
        beams: seqlab.Count = 2,
        penalty: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.5,
    ) -> None:
        self.groups, self.beams, self.penalty = groups, beams, penalty

    def search(
        self, advance: seqlab.Advance, start: seqlab.Start, limits: seqlab.Limits
    ) -> Sequence[Sequence[seqlab.Continuation]]:
        return [self._search_row(advance, start, row, limits) for row in range(len(start.rows))]

    def _search_row(
        self, advance: seqlab.Advance, start: seqlab.Start, row: int, limits: seqlab.Limits
    ) -> list[seqlab.Continuation]:
        one = torch.tensor([row], device=start.logits.device)
        first = Beam([[]], [[]], start.logits[one], seqlab.select_rows(start.state, one))
        beams: list[Beam | None] = [first] * self.groups
        finished: dict[tuple[int, ...], seqlab.Continuation] = {}
        while any(beams):
            taken = torch.zeros(start.logits.shape[1], dtype=torch.float64, device=one.device)
            for number, beam in enumerate(beams):
                if beam is not None:
                    beams[number] = self._step(advance, beam, taken, limits, finished)
        found = sorted(finished.values(), key=lambda one: -one.score)
        return found[: self.groups * self.beams]

    def _step(
        self,
        advance: seqlab.Advance,
        beam: Beam,
        taken: Tensor,
        limits: seqlab.Limits,
        finished: dict[tuple[int, ...], seqlab.Continuation],
    ) -> Beam | None:
        """Extend the beams of a group by a token; None: all have ended."""
        nats = beam.logits.double().log_softmax(-1)  # (K, V)
        so_far = torch.tensor([sum(each) for each in beam.nats], device=nats.device)
        scores = (so_far[:, None] + nats - self.penalty * taken).flatten()
        parents, ids, told = [], [], []
        for place in scores.topk(min(self.beams, len(scores))).indices.tolist():
            parent, token = divmod(place, nats.shape[1])
            whole = [*beam.ids[parent], token]
            told_now = [*beam.nats[parent], float(nats[parent, token])]
            taken[token] += 1
            if limits.ended(whole):
                finished[tuple(whole)] = seqlab.Continuation(tuple(whole), tuple(told_now))
            else:
                parents.append(parent)
                ids.append(whole)
                told.append(told_now)
        if not parents:
            return None
        rows = torch.tensor(parents, device=nats.device)
        last = torch.tensor([each[-1] for each in ids], device=nats.device)
        logits, state = advance(last, seqlab.select_rows(beam.state, rows))
        return Beam(ids, told, logits, state)


@seqlab.hookimpl
def seqlab_register_decoders() -> dict[str, type[seqlab.SearchDecoder]]:
    return {"diverse_beam": DiverseBeam}
