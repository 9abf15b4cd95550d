"""Texts to stop at, found in the bytes of what was generated, also across tokens."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence

from seqlab.arguments import LARGEST, MOST_TOKENS, texts, whole_number
from seqlab.contracts import Limits, Tokenizer
from seqlab.errors import UsageError


class StopText:
    """Says whether the last of some ids completes one of the texts."""

    def __init__(self, tokenizer: Tokenizer, texts: Iterable[str]) -> None:
        self.texts = tuple(map(_bytes, texts))
        self._bytes = tokenizer.token_bytes
        self._before = max(map(len, self.texts), default=0) - 1

    def __call__(self, ids: Sequence[int]) -> bool:
        """Look at as many bytes before the last token as the longest text may need."""
        end = self._bytes(ids[-1])
        before, place = b"", len(ids) - 1
        while len(before) < self._before and place > 0:
            place -= 1
            before = self._bytes(ids[place]) + before
        kept = before[max(len(before) - self._before, 0) :]
        return any(text in kept + end for text in self.texts)

    def cut(self, data: bytes) -> bytes:
        """Leave out the first stop text and all behind it."""
        places = [place for text in self.texts if (place := data.find(text)) >= 0]
        return data[: min(places)] if places else data

    def held_back(self, data: bytes) -> int:
        """Return how many of the last bytes may be the beginning of a stop text."""
        longest = min(self._before, len(data))
        for count in range(longest, 0, -1):
            tail = data[-count:]
            if any(text.startswith(tail) for text in self.texts):
                return count
        return 0


class TextStream:
    """Bytes in, whole characters out: never a part of one, nor of what may become a stop text."""

    def __init__(self, stop: StopText) -> None:
        self._stop = stop
        self._held = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, data: bytes) -> str:
        """Take the bytes of one more token; return the text that is certain now."""
        data = self._held + data
        certain = len(data) - self._stop.held_back(data)
        self._held = data[certain:]
        return self._decoder.decode(data[:certain])

    def end(self, last: bytes) -> str:
        """Take the bytes of the last token; return the rest, without a stop text."""
        return self._decoder.decode(self._stop.cut(self._held + last), final=True)


def limits(
    tokenizer: Tokenizer, length: int, stop: Sequence[str], stop_tokens: Iterable[int]
) -> tuple[Limits, StopText]:
    """Put together what ends a continuation.

    Raises:
        UsageError: a length below 1, a stop text that is empty or no UTF-8, a stop token that does
            not exist.
    """
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


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"a text to stop at is not UTF-8: {text!r}") from None
