"""Tokenizers for characters, bytes and token ids."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab import CorpusError, Document, Ids, Tokenizer, hookimpl, text_pieces
from seqlab.kernels import tuning

_NO_ID = -1
_CODES = sys.maxunicode + 1
MAX_IDS = 1 << 27  # no vocabulary is as large; larger ids are numbers of a wrong type


class Characters:
    """One token for each character, numbered in the order of first appearance.

    Args:
        unknown: for characters that are not in the training split: an error, or one token.
        end_of_document: a character between documents; null: none.
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
        self._set_characters([])

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
        distinct = _DistinctCodes()
        for document in documents:
            for piece in text_pieces(document):
                distinct.add(piece)
        distinct.add(self._separator or "")
        self._set_characters([chr(code) for code in distinct.codes])

    def encode(self, text: str) -> NDArray[np.int32]:
        codes = _codes(text)
        ids = np.empty(len(codes), dtype=np.int32)
        for part in _blocks(len(codes)):
            np.take(self._table, codes[part], out=ids[part], mode="wrap")  # the fastest mode
        if ids.min(initial=0) == _NO_ID:
            index = int(np.argmax(ids == _NO_ID))
            raise ValueError(
                f"character {text[index]!r} (U+{codes[index]:04X}) at position {index} is not in"
                f" the vocabulary of {self.size} characters (`unknown: token` accepts any)"
            )
        return ids

    def token_bytes(self, token: int) -> bytes:
        known = token < len(self._characters)
        return (self._characters[token] if known else "\ufffd").encode("utf-8", "replace")

    def state_dict(self) -> dict[str, Any]:
        return {"characters": [ord(character) for character in self._characters]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._set_characters([chr(code) for code in state["characters"]])

    def _set_characters(self, characters: list[str]) -> None:
        self._characters = characters
        codes = [ord(character) for character in characters]
        missing = len(characters) if self._unknown == "token" else _NO_ID
        self._table = np.full(_CODES, missing, dtype=np.int32)  # from code point to token id
        self._table[codes] = np.arange(len(characters), dtype=np.int32)
        known = self._separator in characters
        self._end = characters.index(self._separator) if known and self._separator else None


class _DistinctCodes:
    """Distinct code points in the order of first appearance."""

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
    step = tuning.CHARACTERS_AT_ONCE
    return (slice(start, start + step) for start in range(0, size, step))


class Bytes:
    """The bytes of UTF-8: every text has ids, and there is no vocabulary to learn.

    It also takes what `corpus: binary` gives: the bytes of any file.

    Args:
        end_of_document: put an own token, the 257th, between documents.
    """

    unknown_token = None

    def __init__(self, *, end_of_document: bool = False) -> None:
        self.size = 257 if end_of_document else 256
        self.end_of_document = 256 if end_of_document else None

    def fit(self, documents: Iterable[Document]) -> None:
        for document in documents:
            if not (isinstance(document, Ids) and document.ids.dtype == np.uint8):
                for _ in text_pieces(document):  # refuses a corpus of ids that are no bytes
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
        ValueError: it has half of a surrogate pair, which UTF-8 cannot encode.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise ValueError(
            f"U+{code:04X} at position {error.start} is half of a surrogate pair, not a character"
        ) from None


class TokenIds:
    """For corpora of token ids instead of text: a token reads as its number and a space.

    Args:
        size: V; ids are 0 to V - 1; null: the largest id of the training split plus one.
    """

    end_of_document = None
    unknown_token = None
    has_text = False

    def __init__(self, *, size: Annotated[int, Field(gt=0, le=MAX_IDS)] | None = None) -> None:
        self._declared_size = size
        self.size = size or 0

    def fit(self, documents: Iterable[Document]) -> None:
        largest = -1
        for document in documents:
            if not isinstance(document, Ids):
                raise CorpusError("this corpus gives text; `tokenizer: ids` is for token ids")
            if len(document.ids):
                largest = max(largest, int(np.max(document.ids)))
        if self._declared_size is not None and largest >= self._declared_size:
            raise CorpusError(
                f"has the token id {largest:,}, but ids are below `tokenizer.size`"
                f" ({self._declared_size:,})"
            )
        if largest >= MAX_IDS:
            raise CorpusError(f"has the token id {largest:,}; ids are below {MAX_IDS:,}")
        self.size = self._declared_size or largest + 1

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
