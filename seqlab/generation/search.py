"""Decoding step by step, for rows of any lengths, until each has ended.

Shapes: B active rows, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from seqlab.contracts import (
    ENDINGS,
    Advance,
    Continuation,
    Decoder,
    Limits,
    SearchDecoder,
    Start,
    State,
    offered,
)
from seqlab.generation.choosing import Choose, chooser
from seqlab.generation.continuations import Ended, Step, continuations, scored
from seqlab.kernels import tuning
from seqlab.model.state import join_rows, select_rows
from seqlab.randomness import uniforms

Search = Callable[[Advance, Start, Limits], Sequence[Sequence[Continuation]]]


def as_search(decoder: Decoder | SearchDecoder, seed: int) -> Search:
    """Return the decoder's own search, or one by its `choose`."""
    if isinstance(decoder, SearchDecoder):
        return decoder.search

    def search(advance: Advance, start: Start, limits: Limits) -> Sequence[Sequence[Continuation]]:
        steps = choose_stepwise(decoder, seed, advance, [start], limits)
        return [[continuation] for continuation in continuations(scored(steps))]

    return search


def choose_stepwise(
    decoder: Decoder, seed: int, advance: Advance, starts: Sequence[Start], limits: Limits
) -> Iterator[Step | Ended]:
    """Choose a token for every active row, step by step.

    Nothing is read back from the device unless `limits` has stops, or the decoder may end rows.
    """
    active = _Active(seed, starts)
    choose, may_end = chooser(decoder), offered(decoder, "may_end") is True
    ends = Ends(limits, len(active.rows)) if limits.may_stop else None
    for step in range(limits.length):
        if step:
            active.advance(advance)
        active.choose(choose, step)
        if may_end and (reasons := active.ended()):
            yield Ended({active.rows[i]: reason for i, reason in reasons.items()})
            active.keep([i for i in range(len(active.rows)) if i not in reasons])
            if not active.rows:
                return
        yield Step(active.rows, active.ids, active.logits)
        going = ends.active(active.rows, active.ids) if ends else None
        if going is not None:
            active.keep(going)
            if not active.rows:
                return


class _Active:
    """The rows that have not ended: what they chose last, and what they choose from."""

    def __init__(self, seed: int, starts: Sequence[Start]) -> None:
        self._groups = [_Group(start) for start in starts]
        self._random = _Uniforms(seed, torch.cat([start.rows for start in starts]))
        self._state = join_rows([start.state for start in starts])
        self.logits = torch.cat([start.logits for start in starts])  # (B, V)
        self.rows: Sequence[int] = range(len(self.logits))  # among those of all starts
        self.ids = self.logits.new_empty(0, dtype=torch.int64)  # (B,)

    def advance(self, advance: Advance) -> None:
        self.logits, self._state = advance(self.ids, self._state)

    def choose(self, choose: Choose, step: int) -> None:
        """Call the decoder once for each length of history, so that none needs padding."""
        uniform = self._random.at(step, self.logits.device)
        if len(self._groups) == 1:
            self.ids = self._groups[0].choose(choose, self.logits, uniform)
            return
        sizes = [len(group) for group in self._groups]
        inputs = zip(torch.split(self.logits, sizes), torch.split(uniform, sizes), strict=True)
        parts = zip(self._groups, inputs, strict=True)
        self.ids = torch.cat([group.choose(choose, *pair) for group, pair in parts])

    def ended(self) -> dict[int, str]:
        """The indices of the rows that the decoder has ended, and why."""
        return {i: ENDINGS[token] for i, token in enumerate(self.ids.tolist()) if token in ENDINGS}

    def keep(self, indices: list[int]) -> None:
        self.rows = [self.rows[i] for i in indices]
        if not indices:
            return
        kept = torch.tensor(indices, device=self.ids.device)
        self.ids, self.logits = self.ids[kept], self.logits[kept]
        self._state = select_rows(self._state, kept)
        self._random.keep(indices)
        self._groups = list(_keep(self._groups, indices))


class _Group:
    """Rows whose histories have the same length: the first `_filled` columns of `_tokens`."""

    def __init__(self, start: Start) -> None:
        rows, length = start.history.shape
        self._lengths = start.history.new_full((rows,), length)  # of the prefixes
        self._memory: State | None = None
        self._allocate(start.history)

    def _allocate(self, history: Tensor) -> None:
        """Copy the history, with columns for the next steps."""
        rows, self._filled = history.shape
        self._tokens = torch.cat((history, history.new_zeros(rows, tuning.STEPS_AT_ONCE)), 1)
        self._free = iter(self._tokens[:, self._filled :].unbind(1))

    def __len__(self) -> int:
        return len(self._tokens)

    def choose(self, choose: Choose, logits: Tensor, uniform: Tensor) -> Tensor:
        history = self._tokens.narrow(1, 0, self._filled)
        ids, self._memory = choose(logits, history, uniform, self._lengths, self._memory)
        column = next(self._free, None)
        if column is None:
            self._allocate(history)
            column = next(self._free)
        column.copy_(ids)
        self._filled += 1
        return ids

    def keep(self, indices: list[int]) -> None:
        rows = torch.tensor(indices, device=self._tokens.device)
        self._lengths = self._lengths[rows]
        if self._memory is not None:
            self._memory = select_rows(self._memory, rows)
        self._allocate(self._tokens[rows, : self._filled])


def _keep(groups: Sequence[_Group], active: Sequence[int]) -> Iterator[_Group]:
    """Drop rows that are not active; indices count the rows of all groups."""
    begin = 0
    for group in groups:
        end = begin + len(group)
        indices = [i - begin for i in active if begin <= i < end]
        if 0 < len(indices) < len(group):
            group.keep(indices)
        if indices:
            yield group
        begin = end


class _Uniforms:
    """The random numbers in [0, 1) for `choose`: a function of seed, row and step."""

    def __init__(self, seed: int, rows: Tensor) -> None:
        self._seed = seed
        self._rows = rows.cpu().numpy()
        self._drawn: tuple[Tensor, ...] = ()

    def at(self, step: int, device: torch.device) -> Tensor:
        """Return the numbers of a step: (B,) float64."""
        index = step % tuning.STEPS_AT_ONCE
        if index == 0 or not self._drawn:
            self._draw(step - index, device)
        return self._drawn[index]

    def keep(self, indices: Sequence[int]) -> None:
        self._rows, self._drawn = self._rows[list(indices)], ()

    def _draw(self, first: int, device: torch.device) -> None:
        steps = np.arange(first, first + tuning.STEPS_AT_ONCE)[:, None]
        rows = np.broadcast_to(self._rows, (tuning.STEPS_AT_ONCE, len(self._rows)))
        values = uniforms(self._seed, rows, np.broadcast_to(steps, rows.shape))
        self._drawn = torch.from_numpy(values).to(device).unbind(0)


class Ends:
    """Tracks the tokens of each row, to find the rows that are still active."""

    def __init__(self, limits: Limits, rows: int) -> None:
        self._limits = limits
        self._chosen: list[list[int]] = [[] for _ in range(rows)]

    def active(self, rows: Sequence[int], ids: Tensor) -> list[int] | None:
        """Return the indices of the rows that continue; None: all do."""
        for row, token in zip(rows, ids.tolist(), strict=True):
            self._chosen[row].append(token)
        active = [i for i, row in enumerate(rows) if not self._limits.stopped(self._chosen[row])]
        return active if len(active) < len(rows) else None
