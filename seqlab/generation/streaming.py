"""Prefixes in -> pieces of generated text out, as they are generated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from seqlab.arguments import LARGEST, MOST_TEXTS, texts, whole_number
from seqlab.contracts import Decoder, Limits, SearchDecoder, Tokenizer
from seqlab.generation.continuations import Ended
from seqlab.generation.generating import Finisher, search_best, split, steps_of
from seqlab.generation.prefixes import (
    by_length,
    encode_prefix,
    read_prefixes,
    ready_to_predict,
    row_numbers,
)
from seqlab.generation.stops import StopText, TextStream, limits
from seqlab.model.language_model import LanguageModel
from seqlab.randomness import derive


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
    """Yield the continuation of one prefix as it is generated, in whole characters.

    Joined, the pieces are the `continuation` of `generate`; `repeat` is the index among its `num`.
    A decoder that searches gives one piece at the end.

    Raises:
        UsageError: as `generate` does, before the first piece.
    """
    bounds, stop_text = limits(tokenizer, length, stop, stop_tokens)
    repeat = whole_number(repeat, "repeat", 0, MOST_TEXTS)
    seed = whole_number(seed, "seed", 0, LARGEST)
    prefixes = texts([prefix], "prefix")
    ids = encode_prefix(tokenizer, prefix)
    ready_to_predict(model)
    if isinstance(decoder, SearchDecoder):
        with torch.inference_mode():
            best = search_best(model, decoder, seed, prefixes, [ids], repeat + 1, bounds)
        finish = Finisher(tokenizer, bounds, stop_text)
        return iter([finish(prefix, ids, best[repeat]).continuation])
    tokens = _tokens(model, decoder, seed, [ids], [derive(repeat, *ids)], bounds)
    return (piece for _, piece in _pieces(tokenizer, tokens, bounds, stop_text) if piece)


def stream_all(
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
) -> Iterator[tuple[int, str]]:
    """Continue several prefixes together: yield (index, piece) as the texts are generated.

    The pieces of an index, joined, are the `continuation` of that result of `generate`; an empty
    piece is its last.

    Raises:
        UsageError: as `generate` does, before the first piece.
    """
    bounds, stop_text = limits(tokenizer, length, stop, stop_tokens)
    num, seed = whole_number(num, "num", 1, MOST_TEXTS), whole_number(seed, "seed", 0, LARGEST)
    prefixes = texts(prefixes, "prefix")
    encoded = [encode_prefix(tokenizer, prefix) for prefix in prefixes]
    ready_to_predict(model)
    if isinstance(decoder, SearchDecoder):
        with torch.inference_mode():
            best = search_best(model, decoder, seed, prefixes, encoded, num, bounds)
        finish = Finisher(tokenizer, bounds, stop_text)
        owners = [pair for pair in zip(prefixes, encoded, strict=True) for _ in range(num)]
        found = zip(owners, best, strict=True)
        whole = enumerate(finish(*owner, each).continuation for owner, each in found)
        return ((i, piece) for i, text in whole for piece in ([text, ""] if text else [""]))
    repeated = [ids for ids in encoded for _ in range(num)]
    tokens = _tokens(model, decoder, seed, repeated, row_numbers(repeated), bounds)
    return _pieces(tokenizer, tokens, bounds, stop_text)


def _tokens(
    model: LanguageModel,
    decoder: Decoder,
    seed: int,
    encoded: Sequence[list[int]],
    numbers: Sequence[int],
    bounds: Limits,
) -> Iterator[tuple[int, int | None]]:
    """Yield (row, token) as they are chosen; None: the decoder has ended the row."""
    with torch.inference_mode():
        continue_rows = steps_of(model, decoder, seed, bounds)
    for rows in split([row for same in by_length(encoded) for row in same]):
        own = [encoded[row] for row in rows]
        with torch.inference_mode():
            starts = [
                read_prefixes(model, [own[i] for i in same], [numbers[rows[i]] for i in same])
                for same in by_length(own)
            ]
            chosen = continue_rows(starts)
        while True:
            with torch.inference_mode():  # left before each yield: it is a setting of the thread
                step = next(chosen, None)
            if step is None:
                break
            if isinstance(step, Ended):
                yield from ((rows[i], None) for i in step.reasons)
                continue
            for i, ids in zip(step.rows, step.ids.view(len(step.rows), -1).tolist(), strict=True):
                yield from ((rows[i], token) for token in ids)


def _pieces(
    tokenizer: Tokenizer,
    tokens: Iterator[tuple[int, int | None]],
    bounds: Limits,
    stop_text: StopText,
) -> Iterator[tuple[int, str]]:
    """Turn the tokens of each row into whole characters; an empty piece ends a row."""
    chosen: dict[int, list[int]] = {}
    streams: dict[int, TextStream] = {}
    for row, token in tokens:
        ids, text = chosen.setdefault(row, []), streams.setdefault(row, TextStream(stop_text))
        ids += [] if token is None else [token]
        data = b"" if token is None else tokenizer.token_bytes(token)
        ended = token is None or bounds.ended(ids)
        if piece := text.end(data) if ended else text.add(data):
            yield row, piece
        if ended:
            yield row, ""
