"""Read prefixes: encode them, and run the model over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from seqlab.contracts import Start, State, Tokenizer
from seqlab.errors import UsageError
from seqlab.kernels import tuning
from seqlab.model.language_model import LanguageModel
from seqlab.randomness import derive
from seqlab.remedies import Verb


def encode_prefix(tokenizer: Tokenizer, prefix: str) -> list[int]:
    """Return the ids of a prefix; raise UsageError if it is empty or has text without an id."""
    try:
        ids = [int(i) for i in tokenizer.encode(prefix)]
    except ValueError as error:
        raise UsageError(f"prefix {prefix!r}: {error}") from None
    if not ids:
        raise UsageError("the prefix is empty; it needs at least one character")
    return ids


def ready_to_predict(model: LanguageModel) -> LanguageModel:
    """Put a model into evaluation mode; raise UsageError if it does not predict the next token."""
    if not model.predicts_next:
        raise UsageError(
            f"objective '{type(model.objective).__name__}' does not predict the next token, so"
            f" there are neither texts nor surprisals; {Verb('eval')} scores the model"
        )
    return model.eval()


def row_numbers(encoded: Sequence[list[int]]) -> list[int]:
    """Return the seed of each row: its prefix, and how often that came before."""
    seen: Counter[tuple[int, ...]] = Counter()
    numbers = []
    for ids in map(tuple, encoded):
        numbers.append(derive(seen[ids], *ids))
        seen[ids] += 1
    return numbers


def by_length(encoded: Sequence[list[int]]) -> Iterator[list[int]]:
    """Yield the rows of each length, the shortest first."""
    for length in sorted({len(ids) for ids in encoded}):
        yield [row for row, ids in enumerate(encoded) if len(ids) == length]


def read_prefixes(
    model: LanguageModel,
    encoded: Sequence[list[int]],
    numbers: Sequence[int],
    seed: int = 0,
    num: int = 1,
) -> Start:
    """Read prefixes of the same length; `seed` and `num` are for decoders that search."""
    device = model.device
    ids = torch.tensor(encoded, device=device)
    state: Any = None
    for part in torch.split(ids, tuning.PREFIX_WINDOW, 1):  # which bounds the memory
        hidden, state = model.hidden(part, state)
    rows = torch.tensor(numbers, device=device)
    window = partial(_read_window, model)
    return Start(model.head(hidden[:, -1]), state, ids, rows, seed, num, window, model.head)


def _read_window(model: LanguageModel, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
    """Return hidden outputs (B, T, O) for ids (B, T), in parts that bound the memory inside."""
    outputs = []
    for part in torch.split(ids, tuning.PREFIX_WINDOW, 1):
        hidden, state = model.hidden(part, state)
        outputs.append(hidden)
    assert state is not None  # noqa: S101 # a window has at least one token
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, 1), state
