"""A tokenizer for words, spaces and punctuation, or for what stands between spaces."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab import Document, Tokenizer, hookimpl, text_pieces
from seqlab.options import LargeCount
from seqlab_plugins.tokenizers.word_boundaries import segment

_NO_ID = -1
log = logging.getLogger("seqlab.words")


class Words:
    """One token for each word, run of spaces or punctuation mark, in order of first appearance.

    A text is cut at the default word boundaries of Unicode (UAX #29): "can't" and "3.14" are words,
    and so is each Han character. The tokens of a text, joined, are the text.

    Or it is cut at white space, as published tables of words are: "<unk>" is one word. Each word
    then has one space before it, and a line feed is a token where `end_of_line` names one; what
    other white space there was is lost.

    Args:
        boundaries: those of Unicode, or white space.
        end_of_line: the word that stands for each line feed between words, such as <eos>; null:
            line feeds are spaces. For `boundaries: whitespace`.
        min_count: how often a token must occur in the training split; rarer ones are unknown.
        most_frequent: how many tokens there are at most; rarer ones are unknown; null: all. The
            tokens of line feeds, unknown words and ends of documents are not counted.
        unknown: for tokens that are not in the vocabulary: an error, or one token for all.
        end_of_document: put an own token between documents.
    """

    later_options = ("boundaries", "end_of_line", "most_frequent")

    def __init__(
        self,
        *,
        boundaries: Literal["unicode", "whitespace"] = "unicode",
        end_of_line: Annotated[str, Field(min_length=1, pattern=r"^\S+$")] | None = None,
        min_count: LargeCount = 1,
        most_frequent: LargeCount | None = None,
        unknown: Literal["error", "token"] = "error",
        end_of_document: bool = False,
    ) -> None:
        if (min_count > 1 or most_frequent) and unknown == "error":
            option = "min_count above 1" if min_count > 1 else "most_frequent"
            raise ValueError(f"{option} makes words unknown; add `unknown: token`")
        if end_of_line is not None and boundaries == "unicode":
            raise ValueError(
                "end_of_line is for `boundaries: whitespace`; otherwise each line feed is a token"
            )
        self._spaced = boundaries == "whitespace"
        self._end_of_line = end_of_line
        self._min_count, self._most = min_count, most_frequent
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
                counts.update(self._cut(piece))
        if self._spaced:
            log.info("Words are cut at white space: which white space it was is lost.")
        self._set_words(self._chosen(counts))

    def encode(self, text: str) -> NDArray[np.int32]:
        words = self._cut(text)
        missing = len(self._words) if self._unknown else _NO_ID
        values = (self._ids.get(word, missing) for word in words)
        ids = np.fromiter(values, dtype=np.int32, count=len(words))
        if ids.min(initial=0) == _NO_ID:
            index = int(np.argmax(ids == _NO_ID))
            place = f"number {index + 1:,}" if self._spaced else _position(words, index)
            raise ValueError(
                f"word {words[index][:40]!r} {place} is not in the vocabulary of"
                f" {self.size:,} words (`unknown: token` accepts any)"
            )
        return ids

    def token_bytes(self, token: int) -> bytes:
        if token < len(self._words):
            return self._spelled(self._words[token]).encode("utf-8", "replace")
        return b"" if token == self.end_of_document else "\ufffd".encode()

    def state_dict(self) -> dict[str, Any]:
        return {"words": self._words}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._set_words(list(state["words"]))

    def _cut(self, text: str) -> list[str]:
        if not self._spaced:
            return segment(text)
        if self._end_of_line is None:
            return text.split()
        first, *lines = text.split("\n")
        words = first.split()
        for line in lines:
            words.append(self._end_of_line)
            words += line.split()
        return words

    def _chosen(self, counts: Counter[str]) -> list[str]:
        """The words of the vocabulary, in the order of first appearance."""
        own = {self._end_of_line} - {None}
        kept = [w for w, count in counts.items() if count >= self._min_count and w not in own]
        if self._most is not None and len(kept) > self._most:
            frequent = {*sorted(kept, key=lambda word: -counts[word])[: self._most]}
            kept = [word for word in kept if word in frequent]
        return [*kept, *filter(None, own)]

    def _spelled(self, word: str) -> str:
        if not self._spaced:
            return word
        return "\n" if word == self._end_of_line else f" {word}"

    def _set_words(self, words: list[str]) -> None:
        self._words = words
        self._ids = {word: token for token, word in enumerate(words)}


def _position(words: list[str], index: int) -> str:
    return f"at position {sum(map(len, words[:index])):,}"


@hookimpl
def seqlab_register_tokenizers() -> dict[str, type[Tokenizer]]:
    return {"words": Words}
