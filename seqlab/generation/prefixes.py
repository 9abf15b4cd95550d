"""Read prefixes: encode them, and run the model over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Prefix:
    """A prefix as the model reads it.

    `ids` are read, one at least. The bytes `rest` follow them in the text and are read as no token
    of their own: the first tokens that are chosen begin with them. `added` is what its tokens have
    behind the text, such as the space between ids.
    """

    text: str
    ids: tuple[int, ...]
    rest: bytes = b""
    added: bytes = b""

    @property
    def shown(self) -> bytes:
        """The bytes of the text as it was given, whatever its tokens keep of it."""
        return _bytes_of(self.text) + self.added


def shown_text(tokenizer: Tokenizer, text: str) -> str:
    """Return a prefix as it is shown before its continuation: halves of characters are U+FFFD."""
    try:
        shown = encode_prefix(tokenizer, text).shown
    except UsageError:  # its end is no token yet
        shown = _bytes_of(text)
    return shown.decode("utf-8", "replace")


def _bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def encode_prefix(tokenizer: Tokenizer, text: str) -> Prefix:
    """Return the ids of a prefix; an empty one begins after the end of a document.

    Raises:
        UsageError: it has text without an id; it is empty, and no token ends a document.
    """
    if not text:
        return _unprompted(tokenizer)
    try:
        ids = tuple(int(i) for i in tokenizer.encode(text))
    except ValueError as error:
        raise UsageError(f"prefix {text!r}: {error}") from None
    if not ids:
        raise UsageError(f"prefix {text!r}: it has no token")
    whole, given = b"".join(map(tokenizer.token_bytes, ids)), _bytes_of(text)
    return Prefix(text, ids, added=whole[len(given) :] if whole.startswith(given) else b"")


def _unprompted(tokenizer: Tokenizer) -> Prefix:
    end = tokenizer.end_of_document
    if end is None:
        raise UsageError(
            "the prefix is empty, and the tokenizer has no end of a document to begin after; give"
            " at least one character, or train with `tokenizer.end_of_document`"
        )
    return Prefix("", (int(end),))


def ready_to_predict(model: LanguageModel) -> LanguageModel:
    """Put a model into evaluation mode; raise UsageError if it does not predict the next token."""
    if not model.predicts_next:
        raise UsageError(
            f"objective '{type(model.objective).__name__}' does not predict the next token, so"
            f" there are neither texts nor surprisals; {Verb('eval')} scores the model"
        )
    return model.eval()


def row_numbers(prefixes: Sequence[Prefix]) -> list[int]:
    """Return the seed of each row: its prefix, and how often that came before."""
    seen: Counter[Prefix] = Counter()
    numbers = []
    for prefix in prefixes:
        numbers.append(row_number(prefix, seen[prefix]))
        seen[prefix] += 1
    return numbers


def row_number(prefix: Prefix, repeat: int) -> int:
    """Return the seed of a row whose prefix came `repeat` times before."""
    return derive(repeat, *prefix.ids, *prefix.rest)


def by_length(prefixes: Sequence[Prefix]) -> Iterator[list[int]]:
    """Yield the rows of each length, the shortest first."""
    for length in sorted({len(prefix.ids) for prefix in prefixes}):
        yield [row for row, prefix in enumerate(prefixes) if len(prefix.ids) == length]


def read_prefixes(
    model: LanguageModel,
    prefixes: Sequence[Prefix],
    numbers: Sequence[int],
    seed: int = 0,
    num: int = 1,
) -> Start:
    """Read prefixes of the same length; `seed` and `num` are for decoders that search."""
    device = model.device
    ids = torch.tensor([prefix.ids for prefix in prefixes], device=device)
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
