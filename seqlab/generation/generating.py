"""Prefixes in -> text out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seqlab.contracts import Continuation, Decoder, Limits, SearchDecoder, Start, State, Tokenizer
from seqlab.data.tokens import decode
from seqlab.errors import UsageError
from seqlab.generation.search import as_search
from seqlab.model.language_model import LanguageModel
from seqlab.randomness import derive


@dataclass(frozen=True)
class Generated:
    """A prefix and how it goes on; `text` is both together."""

    prefix: str
    text: str
    ids: tuple[int, ...]
    log_probabilities: tuple[float, ...]


@torch.inference_mode()
def generate(
    model: LanguageModel,
    tokenizer: Tokenizer,
    decoder: Decoder | SearchDecoder,
    prefixes: Sequence[str],
    *,
    length: int,
    seed: int = 0,
) -> list[Generated]:
    """Continue each prefix by `length` tokens; the model is left in evaluation mode.

    The prefix is read in one call, then the model steps with the state that it carries. Prefixes
    with the same number of tokens go through the model together.

    Raises:
        UsageError: a prefix is empty, or the tokenizer has no id for a part of it.
    """
    encoded = [encode_prefix(tokenizer, prefix) for prefix in prefixes]
    numbers = _row_numbers(encoded)
    model.eval()
    results: dict[int, Continuation] = {}
    for rows in _by_length(encoded):
        ids = torch.tensor([encoded[row] for row in rows], device=_device(model))
        found = as_search(decoder, seed)(
            lambda one, state: _advance(model, one, state),
            _begin(model, ids, [numbers[row] for row in rows]),
            Limits(length),
        )
        results |= {row: best[0] for row, best in zip(rows, found, strict=True)}
    return [
        _finish(tokenizer, prefix, encoded[row], results[row])
        for row, prefix in enumerate(prefixes)
    ]


def encode_prefix(tokenizer: Tokenizer, prefix: str) -> list[int]:
    """Return the ids of a prefix, at least one.

    Raises:
        UsageError: it is empty or has something that the vocabulary lacks.
    """
    try:
        ids = [int(i) for i in tokenizer.encode(prefix)]
    except ValueError as error:
        raise UsageError(f"prefix {prefix!r}: {error}") from None
    if not ids:
        raise UsageError("the prefix is empty; it needs at least one character")
    return ids


def _row_numbers(encoded: Sequence[list[int]]) -> list[int]:
    """What the chance of each row is derived from: its prefix, and how often that came before.

    So a prefix goes on in the same way alone and in any company.
    """
    seen: Counter[tuple[int, ...]] = Counter()
    numbers = []
    for ids in map(tuple, encoded):
        numbers.append(derive(seen[ids], *ids))
        seen[ids] += 1
    return numbers


def _by_length(encoded: Sequence[list[int]]) -> Iterator[list[int]]:
    for length in sorted({len(ids) for ids in encoded}):
        yield [row for row, ids in enumerate(encoded) if len(ids) == length]


def _device(model: LanguageModel) -> torch.device:
    return model.head.weight.device


def _begin(model: LanguageModel, ids: Tensor, numbers: Sequence[int]) -> Start:
    hidden, state = model.hidden(ids, None)
    logits = model.head(hidden[:, -1])
    return Start(logits, state, ids, torch.tensor(numbers, device=ids.device))


def _advance(model: LanguageModel, ids: Tensor, state: State) -> tuple[Tensor, State]:
    logits, state = model(ids[:, None], state)
    return logits[:, -1], state


def _finish(
    tokenizer: Tokenizer, prefix: str, ids: list[int], continuation: Continuation
) -> Generated:
    text = decode(tokenizer, [*ids, *continuation.ids])
    return Generated(prefix, text, continuation.ids, continuation.log_probabilities)
