"""Decoding step by step, for rows of any lengths, until each has ended.

Shapes: B active rows, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from seqlab.contracts import Advance, Continuation, Decoder, Limits, SearchDecoder, Start
from seqlab.errors import PluginError
from seqlab.generation.continuations import Step, continuations, scored
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
) -> Iterator[Step]:
    """Choose a token for every active row, step by step.

    Nothing is read back from the device unless `limits` has stops.
    """
    groups = [_Group(start) for start in starts]
    random = _Uniforms(seed, torch.cat([start.rows for start in starts]))
    rows: Sequence[int] = range(sum(len(group) for group in groups))
    logits = torch.cat([start.logits for start in starts])
    state = join_rows([start.state for start in starts])
    ends = Ends(limits, len(rows)) if limits.may_stop else None
    ids = logits.new_empty(0, dtype=torch.int64)
    for step in range(limits.length):
        if step:
            logits, state = advance(ids, state)
        ids = _choose(decoder, groups, logits, random.at(step, logits.device))
        yield Step(rows, ids, logits)
        active = ends.active(rows, ids) if ends else None
        if active is None:
            continue
        if not active:
            return
        kept = torch.tensor(active, device=ids.device)
        rows, ids, state = [rows[i] for i in active], ids[kept], select_rows(state, kept)
        random.keep(active)
        groups = list(_keep(groups, active))


def _choose(decoder: Decoder, groups: Sequence[_Group], logits: Tensor, uniform: Tensor) -> Tensor:
    """Call the decoder once for each length of history, so that none needs padding."""
    if len(groups) == 1:
        return groups[0].choose(decoder, logits, uniform)
    sizes = [len(group) for group in groups]
    parts = zip(groups, torch.split(logits, sizes), torch.split(uniform, sizes), strict=True)
    return torch.cat([group.choose(decoder, *inputs) for group, *inputs in parts])


class _Group:
    """Rows whose histories have the same length: the first `_filled` columns of `_tokens`."""

    def __init__(self, start: Start) -> None:
        self._allocate(start.history)

    def _allocate(self, history: Tensor) -> None:
        """Copy the history, with columns for the next steps."""
        rows, self._filled = history.shape
        self._tokens = torch.cat((history, history.new_zeros(rows, tuning.STEPS_AT_ONCE)), 1)
        self._free = iter(self._tokens[:, self._filled :].unbind(1))

    def __len__(self) -> int:
        return len(self._tokens)

    def choose(self, decoder: Decoder, logits: Tensor, uniform: Tensor) -> Tensor:
        history = self._tokens.narrow(1, 0, self._filled)
        ids = decoder.choose(logits, history, uniform)
        check_ids(decoder, ids, len(self))
        column = next(self._free, None)
        if column is None:
            self._allocate(history)
            column = next(self._free)
        column.copy_(ids)
        self._filled += 1
        return ids

    def keep(self, indices: list[int]) -> None:
        rows = torch.tensor(indices, device=self._tokens.device)
        self._allocate(self._tokens[rows, : self._filled])


def check_ids(decoder: Decoder, ids: object, rows: int) -> None:
    """Raise PluginError unless a decoder returned int64 ids (B,)."""
    returned = type(ids).__name__
    if isinstance(ids, Tensor):
        if ids.shape == (rows,) and ids.dtype == torch.int64:
            return
        returned = f"{str(ids.dtype).removeprefix('torch.')} {tuple(ids.shape)}"
    raise PluginError(
        f"decoder {type(decoder).__name__}: `choose` should return the ids of {rows} rows, int64"
        f" ({rows},); it returned {returned}"
    )


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
