"""All that a corpus gives, as a digest: without torch, which a new process takes long to import."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from seqlab.contracts import Document, Ids
from seqlab.data.text import text_pieces


class Content(NamedTuple):
    """What two corpora have in common if they give the same."""

    sha256: str
    size: int


def bytes_of(document: Document) -> Iterator[bytes]:
    """What a document is, as a stream."""
    if isinstance(document, Ids):
        yield np.asarray(document.ids, np.int64).tobytes()
        ones = np.ones(len(document.ids))
        weights = ones if document.weights is None else document.weights
        yield np.asarray(weights, np.float32).tobytes()
        return
    for piece in text_pieces(document):
        yield piece.encode("utf-8", "surrogatepass")


def parts_of(corpus: Any) -> Iterator[bytes]:
    """Everything that is content, as a stream."""
    for split in sorted(corpus.splits):
        yield b"\xfe" + split.encode()  # UTF-8 never has these two
        for document in corpus.documents(split):
            yield from bytes_of(document)
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
    for part in parts_of(corpus):
        digest.add(part)
    return digest.content()
