"""What speculative decoding works on: rows, what is proposed for them, and what is decided.

Shapes: B rows, N proposed tokens, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from seqlab import Advance, Limits, Start, State, join_rows, select_rows

PROPOSED, ACCEPTED, CORRECTED, PURPOSES = 0, 1, 2, 3  # what a random number is for
ANOTHER = 2**40  # between the numbers of two continuations of one prefix


@dataclass
class Text:
    ids: list[int] = field(default_factory=list)
    nats: list[float] = field(default_factory=list)
    ended: bool = False

    def extend(self, ids: Sequence[int], nats: Sequence[float], limits: Limits) -> None:
        for token, value in zip(ids, nats, strict=True):
            if not self.ended:
                self.ids.append(token)
                self.nats.append(value)
                self.ended = limits.ended(self.ids)


@dataclass(frozen=True)
class Draft:
    step: Advance
    logits: Tensor  # (B, V), of the first token
    state: State


@dataclass(frozen=True)
class Rows:
    """Rows that have not ended; logits and state of `start` are those of the model that decides."""

    start: Start
    numbers: list[int]  # of each row among all that were asked for
    first: Tensor  # (B,) the number of its first random number
    positions: Tensor  # (B,) how many tokens are chosen
    draft_logits: Tensor
    draft_state: State

    @classmethod
    def of(cls, start: Start, draft: Draft) -> Rows:
        """Repeat each row as often as continuations of it are wanted."""
        count, device = len(start.rows), start.rows.device
        rows = torch.arange(count, device=device).repeat_interleave(start.num)
        repeat = torch.arange(start.num, device=device).repeat(count)
        logits, state = draft.logits[rows], select_rows(draft.state, rows)
        numbers = list(range(len(rows)))
        first, positions = repeat * ANOTHER, torch.zeros_like(repeat)
        return cls(_selected(start, rows), numbers, first, positions, logits, state)

    def chance(self, index: int | Tensor, purpose: int) -> Tensor:
        """Random numbers (B,) for the token that is `index` tokens ahead."""
        return self.start.uniform(self.first + (self.positions + index) * PURPOSES + purpose)


def _selected(start: Start, rows: Tensor) -> Start:
    state = select_rows(start.state, rows)
    return replace(
        start,
        logits=start.logits[rows],
        state=state,
        history=start.history[rows],
        rows=start.rows[rows],
    )


@dataclass(frozen=True)
class Proposal:
    ids: Tensor  # (B, N)
    shares: Tensor  # (B, N, V): the probabilities that each was drawn from
    states: list[State]  # N + 1 of the draft: before the first, and after each


@dataclass(frozen=True)
class Decision:
    rows: Rows
    proposal: Proposal
    accepted: Tensor  # (B,) how many of the proposed tokens
    last: Tensor  # (B,) the token after these
    logits: Tensor  # (B, N + 1, V)
    after: State  # of the model, after all proposed tokens

    def tokens(self) -> Iterator[tuple[int, list[int], list[float]]]:
        """Yield the number, the new ids and their log-probabilities of each row."""
        ids = torch.cat((self.proposal.ids, self.last[:, None]), 1)
        ids = ids.scatter(1, self.accepted[:, None], self.last[:, None])
        nats = self.logits.double().log_softmax(-1).gather(2, ids[..., None])[..., 0]
        lengths = (self.accepted + 1).tolist()
        parts = zip(self.rows.numbers, ids.tolist(), nats.tolist(), lengths, strict=True)
        return ((number, row[:n], values[:n]) for number, row, values, n in parts)

    def rows_after(self, going: Sequence[int], step: Advance) -> Rows:
        """Read what was chosen: the states are those after the last token that was accepted."""
        counts = self.accepted.tolist()
        groups = [[i for i in going if counts[i] == n] for n in sorted({counts[i] for i in going})]
        return _joined([self._group(group, counts[group[0]], step) for group in groups], self.rows)

    def _group(self, indices: list[int], count: int, step: Advance) -> Rows:
        """Rows of which the same number of tokens was accepted."""
        rows = torch.tensor(indices, device=self.last.device)
        last, start = self.last[rows], _selected(self.rows.start, rows)
        if count == self.proposal.ids.shape[1]:  # all of them, so they are read already
            window, state = last[:, None], select_rows(self.after, rows)
        else:
            window = torch.cat((self.proposal.ids[rows, :count], last[:, None]), 1)
            state = start.state
        logits, _, after = start.read(window, state)
        drafted = step(last, select_rows(self.proposal.states[count], rows))
        return Rows(
            replace(start, logits=logits[:, -1], state=after),
            [self.rows.numbers[i] for i in indices],
            self.rows.first[rows],
            self.rows.positions[rows] + count + 1,
            *drafted,
        )


def _joined(groups: Sequence[Rows], before: Rows) -> Rows:
    if not groups:
        return replace(before, numbers=[])
    starts = [group.start for group in groups]
    return Rows(
        replace(
            starts[0],
            logits=torch.cat([start.logits for start in starts]),
            state=join_rows([start.state for start in starts]),
            history=torch.cat([start.history for start in starts]),
            rows=torch.cat([start.rows for start in starts]),
        ),
        [number for group in groups for number in group.numbers],
        torch.cat([group.first for group in groups]),
        torch.cat([group.positions for group in groups]),
        torch.cat([group.draft_logits for group in groups]),
        join_rows([group.draft_state for group in groups]),
    )
