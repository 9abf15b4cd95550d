"""A digest of the content of a corpus, without torch, which takes long to import."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from seqlab.contracts import Document, Ids
from seqlab.documents import text_pieces


class Content(NamedTuple):
    """Equal for two corpora with the same documents in the same splits."""

    sha256: str
    size: int  # bytes


def document_bytes(document: Document) -> Iterator[bytes]:
    if isinstance(document, Ids):
        yield np.asarray(document.ids, np.int64).tobytes()
        ones = np.ones(len(document.ids))
        weights = ones if document.weights is None else document.weights
        yield np.asarray(weights, np.float32).tobytes()
        return
    for piece in text_pieces(document):
        yield piece.encode("utf-8", "surrogatepass")


def content_bytes(corpus: Any) -> Iterator[bytes]:
    """The names and documents of all splits, with bytes between them that UTF-8 never has."""
    for split in sorted(corpus.splits):
        yield b"\xfe" + split.encode()
        for document in corpus.documents(split):
            yield from document_bytes(document)
            yield b"\xff"


class Digest:
    """Takes content in part by part."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._size = 0

    def add(self, part: bytes) -> None:
        self._hash.update(part)
        self._size += len(part)

    def content(self) -> Content:
        return Content(self._hash.hexdigest(), self._size)


def content(corpus: Any) -> Content:
    """Read everything."""
    digest = Digest()
    for part in content_bytes(corpus):
        digest.add(part)
    return digest.content()
