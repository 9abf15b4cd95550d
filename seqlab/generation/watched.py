"""A continuation with what led to each of its tokens: their surprisal, and what else might be.

Shapes: B rows, V vocabulary size, T tokens, t tokens so far, O output size.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqlab.contracts import (
    Advance,
    Continuation,
    Decoder,
    Limits,
    SearchDecoder,
    Start,
    State,
    offered,
)
from seqlab.generation.choosing import chooser, further_names
from seqlab.generation.continuations import log_probabilities
from seqlab.generation.generating import search_best
from seqlab.generation.prefixes import row_number
from seqlab.generation.request import Request, while_generating
from seqlab.generation.streaming import chosen_tokens
from seqlab.kernels import tuning
from seqlab.model.state import select_rows

Check = Callable[[], None]
MOST_DRAWN = 1 << 24  # logits at once, to find what a decoder leaves
FEWEST, MOST = 100, 1000  # draws of a decoder


class Chosen(NamedTuple):
    """A token with its surprisal -ln p in nats, among all tokens that may come."""

    id: int
    surprisal: float


@dataclass(frozen=True)
class Choice:
    """What a decoder chose a token from, of one row: logits (1, V), history (1, t)."""

    choose: Callable[..., Any]
    logits: Tensor
    history: Tensor
    lengths: Tensor  # (1,) of the prefix
    memory: State | None
    decides: bool = True  # whether there is a decoder

    def probabilities(self) -> Tensor:
        """Return the probability of each token to the model, (V,)."""
        return self.logits[0].double().softmax(-1)

    def left(self) -> Tensor:
        """Return the probability of each token that the decoder left it, (V,).

        A decoder is a function of a number drawn in [0, 1): it is asked at places that divide that
        interval evenly, and how often it chooses a token is that token's share. So it is told for
        any decoder, to 1/1000 (1/100 where the vocabulary is large).
        """
        size = self.logits.shape[1]
        draws = min(max(MOST_DRAWN // size, FEWEST), MOST)
        counts = torch.zeros(size, dtype=torch.float64)
        places = (torch.arange(draws, dtype=torch.float64) + 0.5) / draws
        for part in torch.split(places, max(MOST_DRAWN // size, 1)):
            ids = self._chosen_at(part)
            counts += torch.bincount(ids[ids >= 0], minlength=size).cpu()
        return counts / draws

    def _chosen_at(self, places: Tensor) -> Tensor:
        rows = torch.zeros(len(places), dtype=torch.int64, device=self.logits.device)
        memory = None if self.memory is None else select_rows(self.memory, rows)
        uniform = places.to(self.logits.device)
        repeated = (part[rows] for part in (self.logits, self.history))
        ids: Tensor = self.choose(*repeated, uniform, self.lengths[rows], memory)[0]
        return ids


class WatchedDecoder:
    """Another decoder; `seen` is what it chose from last.

    Args:
        decoder: what chooses.
        check: called before each choice; what it raises ends the generation.
    """

    def __init__(self, decoder: Decoder, check: Check) -> None:
        self._choose, self._check = chooser(decoder), check
        self.may_end = offered(decoder, "may_end") is True
        self.seen: Choice | None = None
        self._remembers = "memory" in further_names(decoder.choose)
        self.choose = _named(self._watched, further_names(decoder.choose))

    def _watched(self, logits: Tensor, history: Tensor, uniform: Tensor, **further: Any) -> Any:
        self._check()
        lengths, memory = further.get("prefix_lengths"), further.get("memory")
        if lengths is None:
            lengths = torch.full_like(history[:, 0], history.shape[1])
        self.seen = Choice(self._choose, logits, history, lengths, memory)
        ids, after = self._choose(logits, history, uniform, lengths, memory)
        return (ids, after) if self._remembers else ids


class WatchedSearch:
    """Another decoder that searches; `check` is called before each step of the model."""

    def __init__(self, decoder: SearchDecoder, check: Check) -> None:
        self._decoder, self._check = decoder, check

    def search(self, advance: Advance, start: Start, limits: Limits) -> Any:
        def checked(ids: Tensor, state: State) -> tuple[Tensor, State]:
            self._check()
            return advance(ids, state)

        return self._decoder.search(checked, start, limits)


def _named(function: Callable[..., Any], further: Sequence[str]) -> Callable[..., Any]:
    """A function that names further parameters, as it is called with those that it names."""

    def choose(*arguments: Any, **given: Any) -> Any:
        return function(*arguments, **given)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = ("logits", "history", "uniform", *further)
    parameters = [inspect.Parameter(name, kind) for name in names]
    choose.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return choose


def watch(decoder: Decoder | SearchDecoder, check: Check) -> WatchedDecoder | WatchedSearch:
    """Return a decoder that chooses as another one, and can be stopped."""
    if isinstance(decoder, SearchDecoder):
        return WatchedSearch(decoder, check)
    return WatchedDecoder(decoder, check)


def watched_tokens(
    request: Request, decoder: WatchedDecoder | WatchedSearch, repeat: int = 0
) -> Iterator[Chosen]:
    """Yield the tokens that continue the one prefix of a request, as they are chosen.

    They are those of `generate`, with `repeat` for the index among its `num`. A search gives all
    of them at its end.
    """
    (prefix,) = request.prefixes
    if isinstance(decoder, WatchedSearch):
        best = _found(request, decoder, repeat + 1)[repeat]
        for found, log_probability in zip(best.ids, best.log_probabilities, strict=True):
            yield Chosen(found, -log_probability)
        return
    bounds, ids = request.bounds(prefix), []
    for _, token in chosen_tokens(request, decoder, [row_number(prefix, repeat)]):
        if token is None:
            return
        assert decoder.seen is not None  # noqa: S101 # it has just chosen
        logits = decoder.seen.logits
        nats = -log_probabilities(logits, torch.tensor([token], device=logits.device))
        yield Chosen(token, float(nats))
        ids.append(token)
        if bounds.ended(ids):
            return


def _found(request: Request, decoder: Any, num: int) -> list[Continuation]:
    with torch.inference_mode(), while_generating(request, num):
        return search_best(request, decoder, num)


@torch.inference_mode()
def choice_at(model: Any, decoder: Decoder | None, ids: Tensor, check: Check) -> Choice:
    """Return what is chosen from behind ids (T,) of a text; without a decoder, the model alone."""
    state: Any = None
    for part in torch.split(ids.view(1, -1), tuning.PREFIX_WINDOW, 1):
        check()
        hidden, state = model.hidden(part, state)
    history = ids.view(1, -1)
    lengths = torch.tensor([len(ids)], device=ids.device)
    choose = chooser(decoder) if decoder is not None else _nothing
    logits = model.head(hidden[:, -1])
    return Choice(choose, logits, history, lengths, None, decides=decoder is not None)


def _nothing(*_: Any) -> tuple[Tensor, State]:
    raise TypeError("there is no decoder")
