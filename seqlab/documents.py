"""Documents as streams of text, and their parts and blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import Any

from seqlab.contracts import Document, Ids, Weighted
from seqlab.errors import CorpusError, PluginError

BLOCK = 1 << 20  # characters
A_DOCUMENT = "a document is a str, an iterable of str, or seqlab.Ids (for token ids)"


def checked_documents(documents: Iterable[Document], where: str) -> Iterator[Document]:
    """Yield the documents of a corpus; PluginError says `where` one is no document."""
    for number, document in enumerate(documents, start=1):
        if isinstance(document, str | Ids):
            yield document
        else:
            yield _checked_pieces(document, f"{where}: document {number}")


def _checked_pieces(document: Any, where: str) -> Iterator[str]:
    """Check pieces as they are read: a document streams."""
    kind = type(document).__name__
    if not isinstance(document, Iterable):
        raise PluginError(f"{where} is of type {kind}; {A_DOCUMENT}")
    for piece in document:
        if not isinstance(piece, str):
            held = type(piece).__name__
            raise PluginError(f"{where} is of type {kind}, and holds {held}; {A_DOCUMENT}")
        yield piece


def text_pieces(document: Document) -> Iterator[str]:
    """Yield the text of a document in pieces; raises CorpusError if it has token ids."""
    if isinstance(document, Ids):
        raise CorpusError("this corpus gives token ids, not text; use `tokenizer: ids`")
    return iter([document] if isinstance(document, str) else document)


def first_characters(documents: Iterable[Document], limit: int | None) -> Iterator[Document]:
    """Yield the first `limit` characters of all documents (None: all of them)."""
    if limit is None:
        yield from documents
        return
    for document in between(documents, 0, limit):
        if isinstance(document, Ids):
            raise CorpusError("max_characters: this corpus gives token ids, not characters")
        yield document


def length(documents: Iterable[Document]) -> int:
    """Count the characters of all documents (the token ids of those that have no text)."""
    return sum(
        len(document.ids) if isinstance(document, Ids) else sum(map(len, text_pieces(document)))
        for document in documents
    )


def between(documents: Iterable[Document], start: int, stop: int) -> Iterator[Document]:
    """Yield characters (or token ids) `start` to `stop` of all documents joined.

    An empty document has the position of the next character. Documents stream: each has to be read
    before the next one.
    """
    position = 0

    def inside(pieces: Iterator[str]) -> Iterator[str]:
        nonlocal position
        while position < stop and (piece := next(pieces, None)) is not None:
            part = weighted_like(piece, piece[max(start - position, 0) : stop - position])
            position += len(piece)
            if part:
                yield part

    for document in documents:
        if position >= stop:
            return
        if isinstance(document, Ids):
            yield from _cut_ids(document, start - position, stop - position)
            position += len(document.ids)
            continue
        begin, parts = position, inside(text_pieces(document))
        first = next(parts, None)
        if first is not None:
            yield chain([first], parts)
        elif start <= begin == position:
            yield ""
        for _ in parts:  # what the reader left
            pass


def _cut_ids(document: Ids, start: int, stop: int) -> Iterator[Ids]:
    inside = slice(max(start, 0), max(stop, 0))
    ids = document.ids[inside]
    if len(ids) or (not len(document.ids) and start <= 0):
        yield Ids(ids, None if document.weights is None else document.weights[inside])


def in_blocks(document: Document, block: int = BLOCK) -> Document:
    """Return the document with its text in pieces of at most `block` characters.

    A piece ends with the last newline in a block, else with the last space, so a tokenizer never
    gets half a word, unless the word is longer than a block.
    """
    if isinstance(document, Ids) or (isinstance(document, str) and len(document) <= block):
        return document
    return _blocks([document] if isinstance(document, str) else document, block)


def weighted_like(piece: str, part: str) -> str:
    """Return a part of a piece with the weight of the piece, where it has one."""
    return Weighted(part, piece.weight) if isinstance(piece, Weighted) else part


def weight_of(piece: str) -> float:
    """Return the weight of the tokens of a piece."""
    return piece.weight if isinstance(piece, Weighted) else 1.0


def _blocks(pieces: Iterable[str], block: int) -> Iterator[str]:
    """Join pieces of equal weight, and cut what is longer than a block."""
    for _, equal in groupby(pieces, key=weight_of):
        first = next(equal)
        for part in _blocks_of_text(chain([first], equal), block):
            yield weighted_like(first, part)


def _blocks_of_text(pieces: Iterable[str], block: int) -> Iterator[str]:
    waiting = ""
    for piece in pieces:
        for start in range(0, len(piece), block):
            waiting += piece[start : start + block]
            while len(waiting) > block:
                end = _end(waiting, block)
                yield waiting[:end]
                waiting = waiting[end:]
    if waiting:
        yield waiting


def _end(text: str, block: int) -> int:
    """The end of the first block: after a newline, else after a space."""
    return text.rfind("\n", 0, block) + 1 or text.rfind(" ", 0, block) + 1 or block
