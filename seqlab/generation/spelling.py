"""The tokens of a vocabulary by their bytes: which of them may spell a text out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection

from seqlab.contracts import Tokenizer


class Spelling:
    """Tokens sorted by their bytes.

    Args:
        tokenizer: whose tokens; those without bytes spell nothing.
        left_out: ids that are never generated.
    """

    def __init__(self, tokenizer: Tokenizer, left_out: Collection[int] = ()) -> None:
        ids = (token for token in range(tokenizer.size) if token not in left_out)
        pairs = sorted((tokenizer.token_bytes(token), token) for token in ids)
        self._bytes = [data for data, _ in pairs if data]
        self._ids = [token for data, token in pairs if data]
        self.longest = max(map(len, self._bytes), default=0)

    def has_longer(self, data: bytes) -> bool:
        """Return whether a token begins with these bytes, and has more."""
        return self._exact(data).stop < self._range(data).stop

    def fitting(self, rest: bytes) -> dict[int, int]:
        """Return the tokens that may come where these bytes must, and how many each spells.

        A token begins with all of them, or is a beginning of them.
        """
        whole = {self._ids[i]: len(rest) for i in self._range(rest)}
        parts = (self._exact(rest[:size]) for size in range(1, len(rest)))
        return whole | {self._ids[i]: len(self._bytes[i]) for part in parts for i in part}

    def _range(self, data: bytes) -> range:
        """The places of the tokens that begin with these bytes."""
        return range(bisect_left(self._bytes, data), _stop(self._bytes, data))

    def _exact(self, data: bytes) -> range:
        """The places of the tokens with exactly these bytes; the first after them is longer."""
        return range(bisect_left(self._bytes, data), bisect_left(self._bytes, data + b"\0"))


def _stop(ordered: list[bytes], data: bytes) -> int:
    """The place after the last item that begins with these bytes."""
    kept = data.rstrip(b"\xff")
    if not kept:
        return len(ordered)
    return bisect_left(ordered, kept[:-1] + bytes([kept[-1] + 1]))
