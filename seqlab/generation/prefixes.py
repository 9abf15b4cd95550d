"""Prefixes in -> starts out: encoded, read by the model, each with a number for its chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import torch

from seqlab.contracts import Start, Tokenizer
from seqlab.errors import UsageError
from seqlab.model.language_model import LanguageModel
from seqlab.randomness import derive

WINDOW = 512  # tokens of a prefix that are read at once


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


def read_all(
    model: LanguageModel,
    encoded: Sequence[list[int]],
    numbers: Sequence[int],
    rows: Sequence[int],
) -> Iterator[Start]:
    """Read the prefixes of some rows, those of each length together."""
    own = [encoded[row] for row in rows]
    for places in by_length(own):
        yield read(model, [own[p] for p in places], [numbers[rows[p]] for p in places])


def row_numbers(encoded: Sequence[list[int]]) -> list[int]:
    """What the chance of each row is derived from: its prefix, and how often that came before.

    So a prefix goes on in the same way alone and in any company.
    """
    seen: Counter[tuple[int, ...]] = Counter()
    numbers = []
    for ids in map(tuple, encoded):
        numbers.append(derive(seen[ids], *ids))
        seen[ids] += 1
    return numbers


def by_length(encoded: Sequence[list[int]]) -> Iterator[list[int]]:
    """Yield the rows of each length, from the shortest on."""
    for length in sorted({len(ids) for ids in encoded}):
        yield [row for row, ids in enumerate(encoded) if len(ids) == length]


def read(model: LanguageModel, encoded: Sequence[list[int]], numbers: Sequence[int]) -> Start:
    """Read prefixes of one length, in windows, so that a long one needs no more memory."""
    device = model.head.weight.device
    ids = torch.tensor(encoded, device=device)
    first, *others = torch.split(ids, WINDOW, 1)
    hidden, state = model.hidden(first, None)
    for window in others:
        hidden, state = model.hidden(window, state)
    logits = model.head(hidden[:, -1])
    return Start(logits, state, ids, torch.tensor(numbers, device=device))
