"""Prefixes in -> generated text out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import torch

from seqlab.arguments import MOST_TEXTS, whole_number
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
from seqlab.generation.prefixes import Prefix, row_numbers
from seqlab.generation.request import Request, while_generating
from seqlab.generation.search import choose_stepwise
from seqlab.model.language_model import LanguageModel
from seqlab.model.stepping import greedy_steps, stepper


@dataclass(frozen=True)
class Generated:
    """A prefix and its continuation; `text` is both together.

    `ids`, `tokens` (the text of each) and `log_probabilities` (natural) are those of all generated
    tokens. `ended` is `length`, `stop`, or what the decoder says: `complete` (nothing may follow)
    or `stuck` (nothing can). A stop text is in the tokens, but neither in `continuation` nor in
    `text`. `score` is the sum of the log-probabilities. `number` counts the results of a prefix,
    from 1.

    Where the prefix ended in the middle of a token, the first tokens spell that end again; it is
    not in `continuation`. Log-probabilities are those among the tokens that may come.

    `data` are the bytes of `text`, in which no half of a character is replaced by U+FFFD.
    """

    prefix: str
    text: str
    ids: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    continuation: str = ""
    tokens: tuple[str, ...] = ()
    score: float = 0.0
    ended: str = "length"
    number: int = 1
    data: bytes = field(default=b"", repr=False)


@torch.inference_mode()
def generate(
    model: LanguageModel,
    tokenizer: Tokenizer,
    decoder: Decoder | SearchDecoder,
    prefixes: Sequence[str],
    *,
    num: int = 1,
    **settings: Any,
) -> list[Generated]:
    """Continue each prefix; the model is left in evaluation mode.

    All prefixes are continued together, and each as it would be alone: its random numbers follow
    from the seed, the prefix, and how often that prefix came before.

    Arguments, results and errors are those of `Run.generate`; `settings` are those of
    `Request.of`.
    """
    request = Request.of(model, tokenizer, decoder, prefixes, **settings)
    num = whole_number(num, "num", 1, MOST_TEXTS)
    with while_generating(request, num):
        if isinstance(decoder, SearchDecoder):
            best = search_best(request, decoder, num)
        else:
            best = _choose(request.repeated(num), decoder)
    finish, seen = Finisher(request), Counter[Prefix]()
    owners = [prefix for prefix in request.prefixes for _ in range(num)]
    results = []
    for prefix, continuation in zip(owners, best, strict=True):
        seen[prefix] += 1
        results.append(finish(prefix, continuation, seen[prefix]))
    return results


def steps_of(
    request: Request, decoder: Decoder
) -> Callable[[Sequence[Start], Limits], Iterator[Step | Steps | Ended]]:
    """Return a function that continues the rows of some starts."""
    model, rests = request.model, request.rests
    is_greedy = offered(decoder, "greedy") is True
    many = greedy_steps(model, request.limits.length) if is_greedy else None
    step = stepper(model)
    if many is not None:
        if rests is not None:
            many = rests.greedy_steps(decoder, step, many)
        return partial(choose_greedily, decoder, many)
    advance = step if rests is None else rests.steps(step)
    return partial(choose_stepwise, decoder, request.seed, advance)


def search_best(request: Request, decoder: SearchDecoder, num: int) -> list[Continuation]:
    """Return the best `num` continuations of each prefix.

    Raises:
        UsageError: the decoder finds fewer.
    """
    beams = _search(request, decoder, num)
    for prefix, beam in zip(request.prefixes, beams, strict=True):
        if len(beam) < num:
            raise UsageError(
                f"prefix {prefix.text!r}: the decoder found {len(beam)} continuations, not {num}"
            )
    return [continuation for beam in beams for continuation in beam[:num]]


def _search(request: Request, decoder: SearchDecoder, num: int) -> list[list[Continuation]]:
    """Search for prefixes of the same length together."""
    results: dict[int, list[Continuation]] = {}
    step, numbers = stepper(request.model), row_numbers(request.prefixes)
    advance = request.rests.steps(step) if request.rests else step
    for rows in request.batches(one_length=True):
        bounds, start = request.bounds(request.prefixes[rows[0]]), request.start(rows, numbers, num)
        for row, beam in zip(rows, decoder.search(advance, start, bounds), strict=True):
            results[row] = [_cut(continuation, bounds) for continuation in beam]
    return [results[row] for row in range(len(request.prefixes))]


def _choose(request: Request, decoder: Decoder) -> list[Continuation]:
    """Continue all rows together, those of one length side by side, as many as fit."""
    results: dict[int, Continuation] = {}
    numbers, continue_rows = row_numbers(request.prefixes), steps_of(request, decoder)
    for rows in request.batches():
        bounds = request.bounds(request.prefixes[rows[0]])
        chosen = continuations(scored(continue_rows(request.starts(rows, numbers), bounds)))
        results.update(zip(rows, chosen, strict=True))
    return [results[row] for row in range(len(request.prefixes))]


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

    def __init__(self, request: Request) -> None:
        self._bytes = cache(request.tokenizer.token_bytes)
        self._text = cache(lambda token: self._bytes(token).decode("utf-8", "replace"))
        self._request = request

    def __call__(self, prefix: Prefix, continuation: Continuation, number: int = 1) -> Generated:
        bounds = self._request.bounds(prefix)
        stopped = bool(continuation.ids) and bounds.stopped(continuation.ids)
        data = b"".join(map(self._bytes, continuation.ids))[len(prefix.rest) :]
        kept = self._request.stop_text.cut(data) if stopped else data
        whole = prefix.shown + kept
        return Generated(
            prefix=prefix.text,
            text=whole.decode("utf-8", "replace"),
            ids=continuation.ids,
            log_probabilities=continuation.log_probabilities,
            continuation=kept.decode("utf-8", "replace"),
            tokens=tuple(map(self._text, continuation.ids)),
            score=continuation.score,
            ended="stop" if stopped else continuation.ended or "length",
            number=number,
            data=whole,
        )
