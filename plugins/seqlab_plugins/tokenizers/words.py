"""A tokenizer for words, spaces and punctuation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqlab import Document, Tokenizer, hookimpl, text_pieces
from seqlab.options import LargeCount
from seqlab_plugins.tokenizers.word_boundaries import segment

_NO_ID = -1


class Words:
    """One token for each word, run of spaces or punctuation mark, in order of first appearance.

    A text is cut at the default word boundaries of Unicode (UAX #29): "can't" and "3.14" are words,
    and so is each Han character. The tokens of a text, joined, are the text.

    Args:
        min_count: how often a token must occur in the training split; rarer ones are unknown.
        unknown: for tokens that are not in the vocabulary: an error, or one token for all.
        end_of_document: put an own token between documents.
    """

    def __init__(
        self,
        *,
        min_count: LargeCount = 1,
        unknown: Literal["error", "token"] = "error",
        end_of_document: bool = False,
    ) -> None:
        if min_count > 1 and unknown == "error":
            raise ValueError("min_count above 1 makes words unknown; add `unknown: token`")
        self._min_count = min_count
        self._unknown = unknown == "token"
        self._ends = end_of_document
        self._set_words([])

    @property
    def size(self) -> int:
        return len(self._words) + self._unknown + self._ends

    @property
    def end_of_document(self) -> int | None:
        return self.size - 1 if self._ends else None

    @property
    def unknown_token(self) -> int | None:
        return len(self._words) if self._unknown else None

    def fit(self, documents: Iterable[Document]) -> None:
        counts: Counter[str] = Counter()
        for document in documents:
            for piece in text_pieces(document):
                counts.update(segment(piece))
        self._set_words([word for word, count in counts.items() if count >= self._min_count])

    def encode(self, text: str) -> NDArray[np.int32]:
        words = segment(text)
        missing = len(self._words) if self._unknown else _NO_ID
        values = (self._ids.get(word, missing) for word in words)
        ids = np.fromiter(values, dtype=np.int32, count=len(words))
        if ids.min(initial=0) == _NO_ID:
            index = int(np.argmax(ids == _NO_ID))
            position = sum(map(len, words[:index]))
            raise ValueError(
                f"word {words[index][:40]!r} at position {position:,} is not in the vocabulary of"
                f" {self.size:,} words (`unknown: token` accepts any)"
            )
        return ids

    def token_bytes(self, token: int) -> bytes:
        if token < len(self._words):
            return self._words[token].encode("utf-8", "replace")
        return b"" if token == self.end_of_document else "\ufffd".encode()

    def state_dict(self) -> dict[str, Any]:
        return {"words": self._words}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._set_words(list(state["words"]))

    def _set_words(self, words: list[str]) -> None:
        self._words = words
        self._ids = {word: token for token, word in enumerate(words)}


@hookimpl
def seqlab_register_tokenizers() -> dict[str, type[Tokenizer]]:
    return {"words": Words}
