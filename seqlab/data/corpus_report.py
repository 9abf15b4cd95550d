"""A corpus in -> statistics of it before training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seqlab.contracts import Document, Ids, Tokenizer
from seqlab.data.preparation import Prepared
from seqlab.data.progress import with_progress
from seqlab.data.tokens import Tokens
from seqlab.documents import text_pieces

SHOWN = 10  # tokens
LINES, WIDTH = 5, 80  # of the excerpt
SLICE = 1 << 22  # token ids that are counted at once


@dataclass
class TextCounts:
    """Statistics from one pass over the text of a split, in constant memory."""

    documents: int = 0
    characters: int = 0
    bytes: int = 0
    longest: int = 0  # document, in characters
    beginning: str = ""
    frequencies: Counter[str] = field(default_factory=Counter)  # of characters

    def read(self, documents: Iterable[Document]) -> TextCounts:
        """Count documents; those of token ids have no characters."""
        for document in documents:
            self.documents += 1
            before = self.characters
            if not isinstance(document, Ids):
                for piece in text_pieces(document):
                    self._add(piece)
            self.longest = max(self.longest, self.characters - before)
        return self

    def _add(self, piece: str) -> None:
        encoded = piece.encode("utf-32-le", "surrogatepass")
        codes, counts = np.unique(np.frombuffer(encoded, dtype=np.uint32), return_counts=True)
        new = dict(zip(map(chr, codes.tolist()), counts.tolist(), strict=True))
        self.frequencies.update(new)
        self.characters += len(piece)
        self.bytes += sum(n * len(c.encode("utf-8", "surrogatepass")) for c, n in new.items())
        if len(self.beginning) < LINES * WIDTH:
            self.beginning += piece[: LINES * WIDTH]


def describe(prepared: Prepared, split: str, known: Tokenizer | None = None) -> dict[str, Any]:
    """Describe a split in JSON values, with the rate of unknown characters of a tokenizer.

    Raises:
        CorpusError: there is no such split, or it cannot be read.
    """
    source = prepared.source
    documents = with_progress(source.documents(split), f"Reading {split}", prepared.progress)
    text = TextCounts().read(documents)
    tokens = prepared.split(split)
    return {
        "corpus": source.bound.component.name,
        "fingerprint": source.fingerprint,
        "splits": list(source.splits),
        "split": split,
        "documents": text.documents,
        "characters": text.characters,
        "bytes": text.bytes,
        "distinct_characters": len(text.frequencies),
        "longest_document": text.longest,
        "tokens": len(tokens),
        "vocabulary": prepared.tokenizer.size,
        "most_frequent_tokens": most_frequent(tokens, prepared.tokenizer),
        "unknown_rate": None if known is None else unknown_rate(text.frequencies, known),
        "beginning": [line[:WIDTH] for line in text.beginning.splitlines()[:LINES]],
    }


def most_frequent(tokens: Tokens, tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """Return the most frequent tokens with their counts; of equals, the lowest id first."""
    counts = np.zeros(tokenizer.size, dtype=np.int64)
    for start in range(0, len(tokens), SLICE):
        counts += np.bincount(tokens.ids[start : start + SLICE], minlength=tokenizer.size)
    order = np.argsort(-counts, kind="stable")[:SHOWN]
    return [
        {
            "token": tokenizer.token_bytes(token).decode("utf-8", "replace"),
            "id": token,
            "count": int(counts[token]),
            "share": float(counts[token] / len(tokens)),
        }
        for token in order.tolist()
        if counts[token]
    ]


def unknown_rate(characters: Mapping[str, int], tokenizer: Tokenizer) -> float:
    """Return the share of characters that a tokenizer cannot encode and decode.

    A character is known if a token has it (a tokenizer of words knows few letters as words), or if
    it is decoded from its own ids.
    """
    vocabulary = b"".join(map(tokenizer.token_bytes, range(tokenizer.size)))
    known = set(vocabulary.decode("utf-8", "ignore")) - {"\ufffd"}
    total = sum(characters.values())
    unknown = sum(
        n for c, n in characters.items() if c not in known and not _is_encodable(c, tokenizer)
    )
    return unknown / total if total else 0.0


def _is_encodable(character: str, tokenizer: Tokenizer) -> bool:
    try:
        ids = tokenizer.encode(character)
    except ValueError:
        return False
    decoded = b"".join(tokenizer.token_bytes(int(i)) for i in ids)
    return decoded == character.encode("utf-8", "surrogatepass")
