"""Stop texts, found in the bytes of the generated tokens."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from copy import copy

from seqlab.arguments import LARGEST, MOST_TOKENS, texts, whole_number
from seqlab.contracts import Limits, Tokenizer
from seqlab.errors import UsageError


class StopText:
    """Whether the last of the generated ids completes a stop text.

    The first `skipped` bytes are the end of the prefix, in which no text is looked for; each of
    the tokens that spell them has one at least.
    """

    def __init__(self, tokenizer: Tokenizer, texts: Iterable[str]) -> None:
        self.texts = tuple(map(_bytes, texts))
        self._bytes = tokenizer.token_bytes
        self._overlap = max(map(len, self.texts), default=0) - 1
        self.skipped = 0

    def after(self, rest: bytes) -> StopText:
        """Return the same for continuations that begin with the rest of a prefix."""
        other = copy(self)
        other.skipped = len(rest)
        return other

    def __call__(self, ids: Sequence[int]) -> bool:
        """Look at the last token, and at as many bytes before it as the longest text can need."""
        first = len(ids) - 1
        data = self._bytes(ids[first])
        wanted = self._overlap + len(data)
        while first > 0 and (len(data) < wanted or first < self.skipped):
            first -= 1
            data = self._bytes(ids[first]) + data
        tail = (data if first else data[self.skipped :])[-wanted:] if wanted else b""
        return any(text in tail for text in self.texts)

    def cut(self, data: bytes) -> bytes:
        """Cut off the first stop text and all after it."""
        indices = [index for text in self.texts if (index := data.find(text)) >= 0]
        return data[: min(indices)] if indices else data

    def held_back(self, data: bytes) -> int:
        """Return how many of the last bytes may be the beginning of a stop text."""
        counts = range(min(self._overlap, len(data)), 0, -1)
        starts = (n for n in counts if any(text.startswith(data[-n:]) for text in self.texts))
        return next(starts, 0)


class TextStream:
    """Bytes in, whole characters out; the possible beginning of a stop text is held back."""

    def __init__(self, stop: StopText) -> None:
        self._stop, self._skipped = stop, stop.skipped
        self._held = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, data: bytes) -> str:
        """Add the bytes of a token; return the text that is certain now."""
        data = self._held + self._unskipped(data)
        certain = len(data) - self._stop.held_back(data)
        self._held = data[certain:]
        return self._decoder.decode(data[:certain])

    def end(self, last: bytes) -> str:
        """Add the bytes of the last token; return the rest of the text before a stop text."""
        whole = self._held + self._unskipped(last)
        return self._decoder.decode(self._stop.cut(whole), final=True)

    def _unskipped(self, data: bytes) -> bytes:
        """Drop what is the end of the prefix."""
        kept = data[self._skipped :]
        self._skipped -= len(data) - len(kept)
        return kept


def limits(
    tokenizer: Tokenizer, length: int, stop: Sequence[str], stop_tokens: Iterable[int]
) -> tuple[Limits, StopText]:
    """Collect what ends a continuation; raise UsageError if some of it is not valid."""
    if isinstance(stop, str):
        raise UsageError(f"stop should be a list of texts, not the text {stop!r}")
    length = whole_number(length, "length", 1, MOST_TOKENS)
    stop = texts(stop, "stop")
    if not all(stop):
        raise UsageError("a text to stop at is empty; it needs at least one character")
    tokens = {whole_number(token, "a stop token", -LARGEST, LARGEST) for token in stop_tokens}
    for token in sorted(tokens):
        if not 0 <= token < tokenizer.size:
            raise UsageError(f"stop token {token} does not exist; ids are 0 … {tokenizer.size - 1}")
    text = StopText(tokenizer, stop)
    return Limits(length, frozenset(tokens), text if text.texts else None), text


def stop_tokens_of(tokenizer: Tokenizer, tokens: Sequence[int] | None) -> Sequence[int]:
    """Return the ids to stop at; None: that of the end of a document, if there is one."""
    if tokens is not None:
        return tokens
    end = tokenizer.end_of_document
    return () if end is None else (end,)


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"a text to stop at is not UTF-8: {text!r}") from None
