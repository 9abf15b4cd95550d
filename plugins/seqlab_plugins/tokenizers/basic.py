"""Text to token ids and back."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab import CorpusError, Document, Ids, Tokenizer, hookimpl, text_pieces

_NO_ID = -1
_CODES = sys.maxunicode + 1
_BLOCK = 1 << 16  # characters looked up together: they and their ids stay in a core's cache
MOST_IDS = 1 << 27  # no vocabulary is as large; numbers of a wrong type look like such ids


class Characters:
    """One token for each distinct character, numbered in the order of first appearance.

    Args:
        unknown: what happens to a character that training did not show: error, or one token.
        end_of_document: a character that is put between documents; null: nothing.
    """

    def __init__(
        self,
        *,
        unknown: Literal["error", "token"] = "error",
        end_of_document: str | None = None,
    ) -> None:
        if end_of_document is not None and len(end_of_document) != 1:
            raise ValueError(f"end_of_document should be one character, not {end_of_document!r}")
        self._unknown = unknown
        self._separator = end_of_document
        self._learn([])

    @property
    def size(self) -> int:
        return len(self._characters) + (self._unknown == "token")

    @property
    def end_of_document(self) -> int | None:
        return self._end

    @property
    def unknown_token(self) -> int | None:
        return len(self._characters) if self._unknown == "token" else None

    def fit(self, documents: Iterable[Document]) -> None:
        seen = _Seen()
        for document in documents:
            for piece in text_pieces(document):
                seen.add(piece)
        seen.add(self._separator or "")
        self._learn([chr(code) for code in seen.codes])

    def encode(self, text: str) -> NDArray[np.int32]:
        codes = _codes(text)
        ids = np.empty(len(codes), dtype=np.int32)
        for part in _blocks(len(codes)):
            np.take(self._table, codes[part], out=ids[part], mode="wrap")  # checks least
        if ids.min(initial=0) == _NO_ID:
            place = int(np.argmax(ids == _NO_ID))
            raise ValueError(
                f"character {text[place]!r} (U+{codes[place]:04X}) at position {place} is not in"
                f" the vocabulary of {self.size} characters (`unknown: token` takes any)"
            )
        return ids

    def token_bytes(self, token: int) -> bytes:
        known = token < len(self._characters)
        return (self._characters[token] if known else "\ufffd").encode("utf-8", "replace")

    def state_dict(self) -> dict[str, Any]:
        return {"characters": [ord(character) for character in self._characters]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._learn([chr(code) for code in state["characters"]])

    def _learn(self, characters: list[str]) -> None:
        self._characters = characters
        codes = [ord(character) for character in characters]
        missing = len(characters) if self._unknown == "token" else _NO_ID
        self._table = np.full(_CODES, missing, dtype=np.int32)  # from code point to token id
        self._table[codes] = np.arange(len(characters), dtype=np.int32)
        places = (place for place, own in enumerate(characters) if own == self._separator)
        self._end = next(places, None)


class _Seen:
    """Code points in the order of their first appearance."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self._known = np.zeros(_CODES, dtype=bool)

    def add(self, text: str) -> None:
        codes = _codes(text)
        for part in _blocks(len(codes)):
            block = codes[part]
            known = np.take(self._known, block, mode="wrap")
            if not known.all():
                new = list(dict.fromkeys(block[~known].tolist()))
                self._known[new] = True
                self.codes += new


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _blocks(size: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, size, _BLOCK))


class Bytes:
    """The 256 bytes of UTF-8: no vocabulary to learn, and no text without ids.

    Args:
        end_of_document: put a token of its own, the 257th, between documents.
    """

    unknown_token = None

    def __init__(self, *, end_of_document: bool = False) -> None:
        self.size = 257 if end_of_document else 256
        self.end_of_document = 256 if end_of_document else None

    def fit(self, documents: Iterable[Document]) -> None:
        for document in documents:
            for _ in text_pieces(document):  # refuses a corpus of ids
                break

    def encode(self, text: str) -> NDArray[np.uint8]:
        return np.frombuffer(utf8(text), dtype=np.uint8)

    def token_bytes(self, token: int) -> bytes:
        return bytes([token]) if token < 256 else b""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass


def utf8(text: str) -> bytes:
    """Encode a text.

    Raises:
        ValueError: it has half of a surrogate pair, which UTF-8 cannot write.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise ValueError(
            f"U+{code:04X} at position {error.start} is half of a surrogate pair, no character"
        ) from None


class TokenIds:
    """For corpora that give token ids and no text: a token reads as its number and a space.

    Args:
        size: V; ids are 0 to V - 1. Null: one more than the largest id of the training split.
    """

    end_of_document = None
    unknown_token = None
    has_text = False

    def __init__(self, *, size: Annotated[int, Field(gt=0, le=MOST_IDS)] | None = None) -> None:
        self._stated = size
        self.size = size or 0

    def fit(self, documents: Iterable[Document]) -> None:
        largest = -1
        for document in documents:
            if not isinstance(document, Ids):
                raise CorpusError("this corpus gives text; `tokenizer: ids` is for token ids")
            if len(document.ids):
                largest = max(largest, int(np.max(document.ids)))
        if self._stated is not None and largest >= self._stated:
            raise CorpusError(
                f"has the token id {largest:,}, and `tokenizer.size` says that they end below"
                f" {self._stated:,}"
            )
        if largest >= MOST_IDS:
            raise CorpusError(f"has the token id {largest:,}; they end below {MOST_IDS:,}")
        self.size = self._stated or largest + 1

    def encode(self, text: str) -> NDArray[np.int64]:
        numbers = [_number(word) for word in text.split()]
        if max(numbers, default=-1) >= self.size:
            raise ValueError(f"token id {max(numbers)} is not below {self.size}")
        return np.array(numbers, dtype=np.int64)

    def token_bytes(self, token: int) -> bytes:
        return f"{token} ".encode()

    def state_dict(self) -> dict[str, Any]:
        return {"size": self.size}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.size = state["size"]


def _number(word: str) -> int:
    if not (word.isascii() and word.isdigit()):
        raise ValueError(f"{word!r} is not a token id, such as 7")
    return int(word)


@hookimpl
def seqlab_register_tokenizers() -> dict[str, type[Tokenizer]]:
    return {"bytes": Bytes, "characters": Characters, "ids": TokenIds}
