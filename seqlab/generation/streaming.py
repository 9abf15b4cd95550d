"""Prefixes in -> pieces of generated text out, as they are generated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from seqlab.arguments import MOST_TEXTS, texts, whole_number
from seqlab.contracts import Decoder, SearchDecoder, Tokenizer
from seqlab.generation.continuations import Ended
from seqlab.generation.generating import Finisher, search_best, steps_of
from seqlab.generation.prefixes import row_number, row_numbers
from seqlab.generation.request import Request, while_generating
from seqlab.generation.stops import TextStream
from seqlab.model.language_model import LanguageModel


def stream(
    model: LanguageModel,
    tokenizer: Tokenizer,
    decoder: Decoder | SearchDecoder,
    prefix: str,
    *,
    repeat: int = 0,
    **settings: Any,
) -> Iterator[str]:
    """Yield the continuation of one prefix as it is generated, in whole characters.

    Joined, the pieces are the `continuation` of `generate`; `repeat` is the index among its `num`.
    A decoder that searches gives one piece at the end. `settings` are those of `Request.of`.

    Raises:
        UsageError: as `generate` does, before the first piece.
    """
    repeat = whole_number(repeat, "repeat", 0, MOST_TEXTS)
    request = Request.of(model, tokenizer, decoder, texts([prefix], "prefix"), **settings)
    if isinstance(decoder, SearchDecoder):
        return iter([_found(request, decoder, repeat + 1)[repeat]])
    tokens = chosen_tokens(request, decoder, [row_number(request.prefixes[0], repeat)])
    return (piece for _, piece in _pieces(request, tokens) if piece)


def stream_all(
    model: LanguageModel,
    tokenizer: Tokenizer,
    decoder: Decoder | SearchDecoder,
    prefixes: Sequence[str],
    *,
    num: int = 1,
    **settings: Any,
) -> Iterator[tuple[int, str]]:
    """Continue several prefixes together: yield (index, piece) as the texts are generated.

    The pieces of an index, joined, are the `continuation` of that result of `generate`; an empty
    piece is its last. `settings` are those of `Request.of`.

    Raises:
        UsageError: as `generate` does, before the first piece.
    """
    request = Request.of(model, tokenizer, decoder, prefixes, **settings)
    num = whole_number(num, "num", 1, MOST_TEXTS)
    if isinstance(decoder, SearchDecoder):
        whole = enumerate(_found(request, decoder, num))
        return ((i, piece) for i, text in whole for piece in ([text, ""] if text else [""]))
    request = request.repeated(num)
    return _pieces(request, chosen_tokens(request, decoder, row_numbers(request.prefixes)))


def _found(request: Request, decoder: SearchDecoder, num: int) -> list[str]:
    """The best `num` continuations of each prefix."""
    with torch.inference_mode(), while_generating(request, num):
        best = search_best(request, decoder, num)
    owners = [prefix for prefix in request.prefixes for _ in range(num)]
    finish = Finisher(request)
    return [finish(*pair).continuation for pair in zip(owners, best, strict=True)]


def chosen_tokens(
    request: Request, decoder: Decoder, numbers: Sequence[int]
) -> Iterator[tuple[int, int | None]]:
    """Yield (row, token) as they are chosen; None: the decoder has ended the row."""
    memory = while_generating(request)
    with torch.inference_mode():
        continue_rows = steps_of(request, decoder)
    for rows in request.batches():
        with torch.inference_mode(), memory:
            bounds = request.bounds(request.prefixes[rows[0]])
            chosen = continue_rows(request.starts(rows, numbers), bounds)
        while True:
            # left before each yield: the mode is a setting of the thread
            with torch.inference_mode(), memory:
                step = next(chosen, None)
            if step is None:
                break
            if isinstance(step, Ended):
                yield from ((rows[i], None) for i in step.reasons)
                continue
            for i, ids in zip(step.rows, step.ids.view(len(step.rows), -1).tolist(), strict=True):
                yield from ((rows[i], token) for token in ids)


def _pieces(
    request: Request, tokens: Iterator[tuple[int, int | None]]
) -> Iterator[tuple[int, str]]:
    """Turn the tokens of each row into whole characters; an empty piece ends a row."""
    bounds = [request.bounds(prefix) for prefix in request.prefixes]
    stops = [request.stop_text.after(prefix.rest) for prefix in request.prefixes]
    chosen: list[list[int]] = [[] for _ in stops]
    streams = [TextStream(stop) for stop in stops]
    for row, token in tokens:
        ids, text = chosen[row], streams[row]
        ids += [] if token is None else [token]
        data = b"" if token is None else request.tokenizer.token_bytes(token)
        ended = token is None or bounds[row].ended(ids)
        if piece := text.end(data) if ended else text.add(data):
            yield row, piece
        if ended:
            yield row, ""
