"""What may come where a prefix is not spelled out yet, as a part of the state of a model.

Shapes: B rows, T window, O output size, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from seqlab.contracts import Advance, Decoder, GreedySteps, Start, State
from seqlab.generation.continuations import log_probabilities
from seqlab.generation.spelling import Spelling


class Rests:
    """Rests of prefixes, numbered: 0 is none, so that a row of zeros is one that is free.

    Args:
        spelling: the tokens.
        rests: the bytes that are left of each prefix.
    """

    def __init__(self, spelling: Spelling, rests: Iterable[bytes]) -> None:
        self._spelling = spelling
        self._numbers: dict[bytes, int] = {b"": 0}
        self._following: list[dict[int, int]] = [{}]
        for rest in rests:
            for begin in range(len(rest) - 1, -1, -1):  # what a rest leads to is shorter
                self._add(rest[begin:])

    def _add(self, rest: bytes) -> None:
        if rest not in self._numbers:
            fitting = self._spelling.fitting(rest).items()
            self._numbers[rest] = len(self._following)
            self._following.append({t: self._numbers[rest[size:]] for t, size in fitting})

    def of(self, rests: Iterable[bytes], device: torch.device) -> Tensor:
        """Return the numbers of rests: (B,) int64."""
        return torch.tensor([self._numbers[rest] for rest in rests], device=device)

    def after(self, numbers: Tensor, ids: Tensor) -> Tensor:
        """Return what is left after a token: (B,) and (B,) -> (B,)."""
        if not numbers.any():
            return numbers
        pairs = zip(numbers.tolist(), ids.tolist(), strict=True)
        left = [self._following[number].get(token, 0) for number, token in pairs]
        return torch.tensor(left, device=numbers.device)

    def masked(self, logits: Tensor, numbers: Tensor) -> Tensor:
        """Make what does not spell the rests impossible: (B, V) and (B,) -> (B, V)."""
        if not numbers.any():
            return logits
        kept = torch.full_like(logits, -torch.inf)
        for row, number in enumerate(numbers.tolist()):
            fitting = list(self._following[number]) if number else slice(None)
            kept[row, fitting] = logits[row, fitting]
        return kept

    def steps(self, step: Advance) -> Advance:
        """Return single steps whose state has the numbers beside that of the model."""

        def advance(ids: Tensor, state: Any) -> tuple[Tensor, State]:
            inner, numbers = state
            left = self.after(numbers, ids)
            logits, after = step(ids, inner)
            return self.masked(logits, left), (after, left)

        return advance

    def greedy_steps(self, decoder: Decoder, step: Advance, many: GreedySteps) -> GreedySteps:
        """Return greedy steps: one by one until every row is free, and then many in one call."""
        advance = self.steps(step)

        def greedy_steps(ids: Tensor, state: Any, limit: int) -> tuple[Tensor, Tensor, State]:
            inner, numbers = state
            left = self.after(numbers, ids)
            if not left.any():
                chosen, scores, after = many(ids, inner, limit)
                return chosen, scores, (after, left)
            logits, after = advance(ids, state)
            unused = torch.zeros(len(ids), dtype=torch.float64, device=ids.device)
            chosen = decoder.choose(logits, ids[:, None], unused)
            return chosen[:, None], log_probabilities(logits, chosen)[:, None], after

        return greedy_steps

    def start(self, start: Start, rests: Iterable[bytes]) -> Start:
        """Return a start whose first tokens spell the rests of its rows."""
        numbers = self.of(rests, start.rows.device)
        own = {field.name: getattr(start, field.name) for field in fields(start)}
        own |= {"logits": self.masked(start.logits, numbers), "state": (start.state, numbers)}
        return _Start(**own, rests=self)


@dataclass(frozen=True)
class _Start(Start):
    rests: Rests | None = field(default=None, repr=False)

    def read(self, ids: Tensor, state: Any) -> tuple[Tensor, Tensor, State]:
        assert self.rests is not None  # noqa: S101 # `Rests.start` gives them
        inner, left = (None, ids.new_zeros(len(ids))) if state is None else state
        logits, hidden, after = super().read(ids, inner)
        masked = []
        for column, own in zip(ids.unbind(1), logits.unbind(1), strict=True):
            left = self.rests.after(left, column)
            masked.append(self.rests.masked(own, left))
        return torch.stack(masked, 1), hidden, (after, left)
