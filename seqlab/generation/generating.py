"""Prefixes in -> generated text out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch

from seqlab.arguments import LARGEST, MOST_TEXTS, texts, whole_number
from seqlab.contracts import (
    Continuation,
    Decoder,
    Limits,
    SearchDecoder,
    Start,
    Tokenizer,
    offered,
)
from seqlab.errors import UsageError
from seqlab.generation.continuations import Ended, Step, Steps, continuations, scored
from seqlab.generation.greedy import choose_greedily
from seqlab.generation.prefixes import (
    by_length,
    encode_prefix,
    read_prefixes,
    ready_to_predict,
    row_numbers,
)
from seqlab.generation.search import choose_stepwise
from seqlab.generation.stops import StopText, limits
from seqlab.kernels import tuning
from seqlab.model.language_model import LanguageModel
from seqlab.model.stepping import greedy_steps, stepper


@dataclass(frozen=True)
class Generated:
    """A prefix and its continuation; `text` is both together.

    `ids`, `tokens` (the text of each) and `log_probabilities` (natural) are those of all generated
    tokens. `ended` is `length`, `stop`, or what the decoder says: `complete` (nothing may follow)
    or `stuck` (nothing can). A stop text is in the tokens, but neither in `continuation` nor in
    `text`. `score` is the sum of the log-probabilities.
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

    All prefixes are continued together, and each as it would be alone: its random numbers follow
    from the seed, the prefix, and how often that prefix came before.

    Arguments, results and errors are those of `Run.generate`.
    """
    bounds, stop_text = limits(tokenizer, length, stop, stop_tokens)
    num, seed = whole_number(num, "num", 1, MOST_TEXTS), whole_number(seed, "seed", 0, LARGEST)
    prefixes = texts(prefixes, "prefix")
    encoded = [encode_prefix(tokenizer, prefix) for prefix in prefixes]
    ready_to_predict(model)
    if isinstance(decoder, SearchDecoder):
        best = search_best(model, decoder, seed, prefixes, encoded, num, bounds)
    else:
        repeated = [ids for ids in encoded for _ in range(num)]
        best = _choose(model, decoder, seed, repeated, bounds)
    finish = Finisher(tokenizer, bounds, stop_text)
    owners = [pair for pair in zip(prefixes, encoded, strict=True) for _ in range(num)]
    return [finish(*owner, continuation) for owner, continuation in zip(owners, best, strict=True)]


def steps_of(
    model: LanguageModel, decoder: Decoder, seed: int, bounds: Limits
) -> Callable[[Sequence[Start]], Iterator[Step | Steps | Ended]]:
    """Return a function that continues the rows of some starts."""
    is_greedy = offered(decoder, "greedy") is True
    take_steps = greedy_steps(model, bounds.length) if is_greedy else None
    if take_steps is not None:
        return lambda starts: choose_greedily(decoder, take_steps, starts, bounds)
    advance = stepper(model)
    return lambda starts: choose_stepwise(decoder, seed, advance, starts, bounds)


def search_best(
    model: LanguageModel,
    decoder: SearchDecoder,
    seed: int,
    prefixes: Sequence[str],
    encoded: Sequence[list[int]],
    num: int,
    bounds: Limits,
) -> list[Continuation]:
    """Return the best `num` continuations of each prefix.

    Raises:
        UsageError: the decoder finds fewer.
    """
    beams = _search(model, decoder, seed, encoded, num, bounds)
    for prefix, beam in zip(prefixes, beams, strict=True):
        if len(beam) < num:
            raise UsageError(
                f"prefix {prefix!r}: the decoder found {len(beam)} continuations, not {num}"
            )
    return [continuation for beam in beams for continuation in beam[:num]]


def _search(
    model: LanguageModel,
    decoder: SearchDecoder,
    seed: int,
    encoded: Sequence[list[int]],
    num: int,
    bounds: Limits,
) -> list[list[Continuation]]:
    """Search for prefixes of the same length together, at most `tuning.ROWS_AT_ONCE`."""
    results: dict[int, list[Continuation]] = {}
    advance = stepper(model)
    numbers = row_numbers(encoded)
    for rows in (part for same in by_length(encoded) for part in split(same)):
        own = [encoded[row] for row in rows], [numbers[row] for row in rows]
        start = read_prefixes(model, *own, seed, num)
        for row, beam in zip(rows, decoder.search(advance, start, bounds), strict=True):
            results[row] = [_cut(continuation, bounds) for continuation in beam]
    return [results[row] for row in range(len(encoded))]


def _choose(
    model: LanguageModel,
    decoder: Decoder,
    seed: int,
    encoded: Sequence[list[int]],
    bounds: Limits,
) -> list[Continuation]:
    """Continue all rows together, those of one length side by side, as many as fit."""
    results: dict[int, Continuation] = {}
    numbers = row_numbers(encoded)
    choose = steps_of(model, decoder, seed, bounds)
    for rows in split([row for same in by_length(encoded) for row in same]):
        own = [encoded[row] for row in rows]
        starts = [
            read_prefixes(model, [own[i] for i in same], [numbers[rows[i]] for i in same])
            for same in by_length(own)
        ]
        chosen = continuations(scored(choose(starts)))
        results.update(zip(rows, chosen, strict=True))
    return [results[row] for row in range(len(encoded))]


def split(rows: list[int]) -> Iterator[list[int]]:
    return (
        rows[first : first + tuning.ROWS_AT_ONCE]
        for first in range(0, len(rows), tuning.ROWS_AT_ONCE)
    )


def _cut(continuation: Continuation, bounds: Limits) -> Continuation:
    """Cut a continuation at its first stop, as a search may ignore `Limits`."""
    kept: list[int] = []
    for token in continuation.ids:
        kept.append(token)
        if bounds.ended(kept):
            break
    whole = len(kept) == len(continuation.ids)
    scores = continuation.log_probabilities[: len(kept)]
    return Continuation(tuple(kept), scores, continuation.ended if whole else "")


class Finisher:
    """Turns continuations into results; the bytes of each token are looked up once."""

    def __init__(self, tokenizer: Tokenizer, bounds: Limits, stop_text: StopText) -> None:
        self._bytes = cache(tokenizer.token_bytes)
        self._text = cache(lambda token: self._bytes(token).decode("utf-8", "replace"))
        self._bounds = bounds
        self._stop_text = stop_text

    def __call__(self, prefix: str, ids: list[int], continuation: Continuation) -> Generated:
        stopped = bool(continuation.ids) and self._bounds.stopped(continuation.ids)
        data = b"".join(map(self._bytes, continuation.ids))
        kept = self._stop_text.cut(data) if stopped else data
        before = b"".join(map(self._bytes, ids))
        return Generated(
            prefix=prefix,
            text=(before + kept).decode("utf-8", "replace"),
            ids=continuation.ids,
            log_probabilities=continuation.log_probabilities,
            continuation=kept.decode("utf-8", "replace"),
            tokens=tuple(map(self._text, continuation.ids)),
            score=continuation.score,
            ended="stop" if stopped else continuation.ended or "length",
        )
