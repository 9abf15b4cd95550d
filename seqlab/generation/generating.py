"""Prefixes in -> text out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch

from seqlab.arguments import LARGEST, MOST_TEXTS, texts, whole_number
from seqlab.contracts import (
    Continuation,
    Decoder,
    GreedySteps,
    Limits,
    SearchDecoder,
    Start,
    Tokenizer,
    offered,
)
from seqlab.errors import UsageError
from seqlab.generation.continuations import continuations
from seqlab.generation.greedy import walking
from seqlab.generation.prefixes import by_length, encode_prefix, read, read_all, row_numbers
from seqlab.generation.search import choose_tokens, choosing
from seqlab.generation.stops import StopText, TextStream, limits
from seqlab.model.language_model import LanguageModel
from seqlab.model.stepping import greedy_steps, stepper
from seqlab.randomness import derive

ROWS_AT_ONCE = 256  # go through the model together


@dataclass(frozen=True)
class Generated:
    """A prefix and how it goes on; `text` is both together.

    `ids`, `tokens` (the text of each) and `log_probabilities` (natural) are those of everything
    that was generated. `ended` is `length` or `stop`; a text that it stopped at is in the tokens,
    and neither in `continuation` nor in `text`. `score` is the sum of the log-probabilities.
    """

    prefix: str
    text: str
    ids: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    continuation: str = ""
    tokens: tuple[str, ...] = ()
    score: float = 0.0
    ended: str = "length"


@torch.inference_mode()
def generate(
    model: LanguageModel,
    tokenizer: Tokenizer,
    decoder: Decoder | SearchDecoder,
    prefixes: Sequence[str],
    *,
    length: int,
    seed: int = 0,
    num: int = 1,
    stop: Sequence[str] = (),
    stop_tokens: Sequence[int] = (),
) -> list[Generated]:
    """Continue each prefix; the model is left in evaluation mode.

    A prefix is read at once, then the model steps with the state that it carries, for all
    prefixes together. A row's chance follows from the seed, its prefix, and how often that prefix
    came before; so it goes on as it would alone.

    Args:
        model: what predicts.
        tokenizer: what it was trained with.
        decoder: chooses, or searches.
        prefixes: at least one character each.
        length: how many tokens a continuation has at most.
        seed: of the chance that a decoder is given.
        num: how many continuations of each prefix: drawn one by one, or the best of a search.
        stop: texts that end a continuation, and are left out of it.
        stop_tokens: token ids that end a continuation, and are part of it.

    Returns:
        `num` results for each prefix, in the order of the prefixes.

    Raises:
        UsageError: a prefix is empty, the tokenizer has no id for a part of it, a limit cannot
            be, or a search found fewer than `num`.
    """
    bounds, text = limits(tokenizer, length, stop, stop_tokens)
    num, seed = whole_number(num, "num", 1, MOST_TEXTS), whole_number(seed, "seed", 0, LARGEST)
    prefixes = texts(prefixes, "prefix")
    encoded = [encode_prefix(tokenizer, prefix) for prefix in prefixes]
    model.eval()
    if isinstance(decoder, SearchDecoder):
        found = _search(model, decoder, encoded, bounds)
        for prefix, row in zip(prefixes, found, strict=True):
            _expect_enough(prefix, row, num)
        best = [one for row in found for one in row[:num]]
    else:
        repeated = [ids for ids in encoded for _ in range(num)]
        best = _choose(model, decoder, seed, repeated, bounds)
    owners = [
        (prefix, ids) for prefix, ids in zip(prefixes, encoded, strict=True) for _ in range(num)
    ]
    finish = _Finishing(tokenizer, bounds, text)
    return [finish(prefix, ids, one) for (prefix, ids), one in zip(owners, best, strict=True)]


def stream(
    model: LanguageModel,
    tokenizer: Tokenizer,
    decoder: Decoder | SearchDecoder,
    prefix: str,
    *,
    length: int,
    seed: int = 0,
    repeat: int = 0,
    stop: Sequence[str] = (),
    stop_tokens: Sequence[int] = (),
) -> Iterator[str]:
    """Yield the continuation of one prefix as it comes, in pieces of whole characters.

    Joined they are the `continuation` of `generate`, for `repeat` of its `num`. A decoder that
    searches knows its text at the end, and gives it in one piece.

    Raises:
        UsageError: as `generate` does, before the first piece.
    """
    bounds, text = limits(tokenizer, length, stop, stop_tokens)
    repeat, seed = (
        whole_number(repeat, "repeat", 0, MOST_TEXTS),
        whole_number(seed, "seed", 0, LARGEST),
    )
    (prefix,) = texts([prefix], "prefix")
    ids = encode_prefix(tokenizer, prefix)
    model.eval()
    if isinstance(decoder, SearchDecoder):
        with torch.inference_mode():
            (found,) = _search(model, decoder, [ids], bounds)
        _expect_enough(prefix, found, repeat + 1)
        return iter([_Finishing(tokenizer, bounds, text)(prefix, ids, found[repeat]).continuation])
    tokens = _tokens(model, decoder, seed, ids, repeat, bounds)
    return _pieces(tokenizer, tokens, bounds, TextStream(text))


def _tokens(
    model: LanguageModel, decoder: Decoder, seed: int, ids: list[int], repeat: int, bounds: Limits
) -> Iterator[int]:
    with torch.inference_mode():
        starts = [read(model, [ids], [derive(repeat, *ids)])]
        walk = _walk(model, decoder, bounds)
        if walk is None:
            chosen = (step.ids for step in choosing(decoder, seed, stepper(model), starts, bounds))
        else:
            chosen = (stretch.ids for stretch in walking(decoder, walk, starts, bounds))
    while True:
        with torch.inference_mode():  # not while the caller has the thread
            some = next(chosen, None)
        if some is None:
            return
        yield from some.flatten().tolist()


def _pieces(
    tokenizer: Tokenizer, tokens: Iterator[int], bounds: Limits, text: TextStream
) -> Iterator[str]:
    chosen: list[int] = []
    for token in tokens:
        chosen.append(token)
        data = tokenizer.token_bytes(token)
        piece = text.end(data) if bounds.ended(chosen) else text.add(data)
        if piece:
            yield piece


def _walk(model: LanguageModel, decoder: Decoder, bounds: Limits) -> GreedySteps | None:
    """Return what takes many steps at once, where nothing but the model decides."""
    return greedy_steps(model, bounds.length) if offered(decoder, "greedy") is True else None


def _search(
    model: LanguageModel, decoder: SearchDecoder, encoded: Sequence[list[int]], bounds: Limits
) -> list[list[Continuation]]:
    """Search for prefixes of one length together, as many as fit."""
    found: dict[int, list[Continuation]] = {}
    advance = stepper(model)
    numbers = row_numbers(encoded)
    for rows in (part for same in by_length(encoded) for part in _parts(same)):
        start = read(model, [encoded[row] for row in rows], [numbers[row] for row in rows])
        results = decoder.search(advance, start, bounds)
        for row, own in zip(rows, results, strict=True):
            found[row] = [_cut(one, bounds) for one in own]
    return [found[row] for row in range(len(encoded))]


def _choose(
    model: LanguageModel,
    decoder: Decoder,
    seed: int,
    encoded: Sequence[list[int]],
    bounds: Limits,
) -> list[Continuation]:
    """Continue all rows together, as many as fit, those of one length side by side."""
    numbers = row_numbers(encoded)
    order = [row for rows in by_length(encoded) for row in rows]
    found: dict[int, Continuation] = {}
    go_on = _going_on(model, decoder, seed, bounds)
    for rows in _parts(order):
        starts = list(read_all(model, encoded, numbers, rows))
        found.update(zip(rows, go_on(starts), strict=True))
    return [found[row] for row in range(len(encoded))]


def _going_on(
    model: LanguageModel, decoder: Decoder, seed: int, bounds: Limits
) -> Callable[[Sequence[Start]], list[Continuation]]:
    """Return what continues all rows of some starts; what that needs is laid out once."""
    walk = _walk(model, decoder, bounds)
    if walk is not None:
        return lambda starts: continuations(walking(decoder, walk, starts, bounds))
    advance = stepper(model)
    return lambda starts: choose_tokens(decoder, seed, advance, starts, bounds)


def _parts(rows: list[int]) -> Iterator[list[int]]:
    """As many at a time as go through the model together."""
    return (rows[first : first + ROWS_AT_ONCE] for first in range(0, len(rows), ROWS_AT_ONCE))


def _cut(one: Continuation, bounds: Limits) -> Continuation:
    """End a continuation where it should have: a search may ask for less than `Limits` says."""
    kept: list[int] = []
    for token in one.ids:
        kept.append(token)
        if bounds.ended(kept):
            break
    return Continuation(tuple(kept), one.log_probabilities[: len(kept)])


def _expect_enough(prefix: str, found: Sequence[Continuation], num: int) -> None:
    if len(found) < num:
        raise UsageError(
            f"prefix {prefix!r}: the decoder found {len(found)} continuations, not {num}"
        )


class _Finishing:
    """Makes results of continuations; what a token is spelled like is looked up once."""

    def __init__(self, tokenizer: Tokenizer, bounds: Limits, stop: StopText) -> None:
        self._bytes = cache(tokenizer.token_bytes)
        self._text = cache(lambda token: self._bytes(token).decode("utf-8", "replace"))
        self._bounds = bounds
        self._stop = stop

    def __call__(self, prefix: str, ids: list[int], one: Continuation) -> Generated:
        stopped = self._bounds.stopped(one.ids)
        data = b"".join(map(self._bytes, one.ids))
        kept = self._stop.cut(data) if stopped else data
        before = b"".join(map(self._bytes, ids))
        return Generated(
            prefix=prefix,
            text=(before + kept).decode("utf-8", "replace"),
            ids=one.ids,
            log_probabilities=one.log_probabilities,
            continuation=kept.decode("utf-8", "replace"),
            tokens=tuple(map(self._text, one.ids)),
            score=one.score,
            ended="stop" if stopped else "length",
        )
