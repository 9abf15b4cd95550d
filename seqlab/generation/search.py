"""A decoder that chooses, step by step: for rows of any lengths, until each has ended.

Shapes: B rows on their way, V vocabulary size, t tokens so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from seqlab.contracts import Advance, Continuation, Decoder, Limits, SearchDecoder, Start
from seqlab.errors import PluginError
from seqlab.generation.continuations import Step, continuations, scored
from seqlab.model.state import join_rows, select_rows
from seqlab.randomness import uniforms

Search = Callable[[Advance, Start, Limits], Sequence[Sequence[Continuation]]]

STEPS_AT_ONCE = 64  # whose chance is derived, and whose place is made, together


def as_search(decoder: Decoder | SearchDecoder, seed: int) -> Search:
    """Return the decoder's own search, or lift its `choose` to one."""
    if isinstance(decoder, SearchDecoder):
        return decoder.search

    def search(advance: Advance, start: Start, limits: Limits) -> Sequence[Sequence[Continuation]]:
        return [[one] for one in choose_tokens(decoder, seed, advance, [start], limits)]

    return search


def choose_tokens(
    decoder: Decoder, seed: int, advance: Advance, starts: Sequence[Start], limits: Limits
) -> list[Continuation]:
    """Continue the rows of all starts, which go through the model together.

    Returns:
        One continuation a row, in the order of the starts and of their rows.
    """
    return continuations(scored(choosing(decoder, seed, advance, starts, limits)))


def choosing(
    decoder: Decoder, seed: int, advance: Advance, starts: Sequence[Start], limits: Limits
) -> Iterator[Step]:
    """Choose a token for every row, step by step; a row that has ended is left out of the next.

    Nothing is read back from the device unless `limits` needs it.
    """
    groups = [_Group(start) for start in starts]
    chance = _Chance(seed, torch.cat([start.rows for start in starts]))
    rows: Sequence[int] = range(sum(len(group) for group in groups))
    logits = torch.cat([start.logits for start in starts])
    state = join_rows([start.state for start in starts])
    ends = Ends(limits, len(rows)) if limits.may_stop else None
    ids = logits.new_empty(0, dtype=torch.int64)
    for step in range(limits.length):
        if step:
            logits, state = advance(ids, state)
        ids = _choose(decoder, groups, logits, chance.at(step, logits.device))
        yield Step(rows, ids, logits)
        going = ends.going(rows, ids) if ends else None
        if going is None:
            continue
        if not going:
            return
        kept = torch.tensor(going, device=ids.device)
        rows, ids, state = [rows[place] for place in going], ids[kept], select_rows(state, kept)
        chance.keep(going)
        groups = list(_kept(groups, going))


def _choose(decoder: Decoder, groups: Sequence[_Group], logits: Tensor, chance: Tensor) -> Tensor:
    """Ask once for the rows of each length, so that a history needs no padding."""
    if len(groups) == 1:
        return groups[0].choose(decoder, logits, chance)
    parts = [len(group) for group in groups]
    each = zip(groups, torch.split(logits, parts), torch.split(chance, parts), strict=True)
    return torch.cat([group.choose(decoder, own, drawn) for group, own, drawn in each])


class _Group:
    """Rows whose histories have one length: the first `_filled` columns of `_tokens`."""

    def __init__(self, start: Start) -> None:
        self._hold(start.history)

    def _hold(self, history: Tensor) -> None:
        """Make room for some more steps."""
        rows, self._filled = history.shape
        self._tokens = torch.cat((history, history.new_zeros(rows, STEPS_AT_ONCE)), 1)
        self._free = iter(self._tokens[:, self._filled :].unbind(1))

    def __len__(self) -> int:
        return len(self._tokens)

    def choose(self, decoder: Decoder, logits: Tensor, chance: Tensor) -> Tensor:
        history = self._tokens.narrow(1, 0, self._filled)
        ids = decoder.choose(logits, history, chance)
        expect_ids(decoder, ids, len(self))
        column = next(self._free, None)
        if column is None:
            self._hold(history)
            column = next(self._free)
        column.copy_(ids)
        self._filled += 1
        return ids

    def keep(self, places: list[int]) -> None:
        rows = torch.tensor(places, device=self._tokens.device)
        self._hold(self._tokens[rows, : self._filled])


def expect_ids(decoder: Decoder, ids: object, rows: int) -> None:
    """See to it that a decoder chose ids (B,).

    Raises:
        PluginError: it did not.
    """
    found = type(ids).__name__
    if isinstance(ids, Tensor) and ids.shape == (rows,) and ids.dtype == torch.int64:
        return
    if isinstance(ids, Tensor):
        found = f"{str(ids.dtype).removeprefix('torch.')} {tuple(ids.shape)}"
    raise PluginError(
        f"decoder {type(decoder).__name__}: `choose` should return the ids of {rows} rows, int64"
        f" ({rows},); it returned {found}"
    )


def _kept(groups: Sequence[_Group], going: Sequence[int]) -> Iterator[_Group]:
    """Leave the rows out that are not among `going`, places counted through all groups."""
    begin = 0
    for group in groups:
        end = begin + len(group)
        places = [place - begin for place in going if begin <= place < end]
        if 0 < len(places) < len(group):
            group.keep(places)
        if places:
            yield group
        begin = end


class _Chance:
    """The numbers in [0, 1) that `choose` gets: of the seed, the row and the step alone."""

    def __init__(self, seed: int, rows: Tensor) -> None:
        self._seed = seed
        self._rows = rows.cpu().numpy()
        self._drawn: tuple[Tensor, ...] = ()

    def at(self, step: int, device: torch.device) -> Tensor:
        """Return those of a step: (B,) float64."""
        place = step % STEPS_AT_ONCE
        if place == 0 or not self._drawn:
            self._draw(step - place, device)
        return self._drawn[place]

    def keep(self, places: Sequence[int]) -> None:
        self._rows, self._drawn = self._rows[list(places)], ()

    def _draw(self, first: int, device: torch.device) -> None:
        steps = np.arange(first, first + STEPS_AT_ONCE)[:, None]
        rows = np.broadcast_to(self._rows, (STEPS_AT_ONCE, len(self._rows)))
        values = uniforms(self._seed, rows, np.broadcast_to(steps, rows.shape))
        self._drawn = torch.from_numpy(values).to(device).unbind(0)


class Ends:
    """Remembers what each row has chosen, to say which rows go on."""

    def __init__(self, limits: Limits, rows: int) -> None:
        self._limits = limits
        self._chosen: list[list[int]] = [[] for _ in range(rows)]

    def going(self, rows: Sequence[int], ids: Tensor) -> list[int] | None:
        """Return the places of the rows that go on; None: all do."""
        going = []
        for place, (row, token) in enumerate(zip(rows, ids.tolist(), strict=True)):
            chosen = self._chosen[row]
            chosen.append(token)
            if not self._limits.stopped(chosen):
                going.append(place)
        return going if len(going) < len(rows) else None
