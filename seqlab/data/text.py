"""Documents as streams of text, and parts of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from itertools import chain
from typing import Any

from seqlab.contracts import Document, Ids
from seqlab.errors import CorpusError, PluginError

A_DOCUMENT = "a document is a str, an iterable of str, or seqlab.Ids (for token ids)"


def checked_documents(documents: Iterable[Document], where: str) -> Iterator[Document]:
    """Yield the documents that a corpus gives, as long as they are documents.

    Raises:
        PluginError: one is something else; `where` and its number say which.
    """
    for number, document in enumerate(documents, start=1):
        if isinstance(document, str | Ids):
            yield document
        else:
            yield _checked_pieces(document, f"{where}: document {number}")


def _checked_pieces(document: Any, where: str) -> Iterator[str]:
    """Known only once the first piece is taken: a document streams."""
    kind = type(document).__name__
    if not isinstance(document, Iterable):
        raise PluginError(f"{where} is of type {kind}; {A_DOCUMENT}")
    for piece in document:
        if not isinstance(piece, str):
            held = type(piece).__name__
            raise PluginError(f"{where} is of type {kind}, and holds {held}; {A_DOCUMENT}")
        yield piece


def text_pieces(document: Document) -> Iterator[str]:
    """Yield the text of a document, piece by piece.

    Raises:
        CorpusError: the document has token ids and no text.
    """
    if isinstance(document, Ids):
        raise CorpusError("this corpus gives token ids, not text; use `tokenizer: ids`")
    return iter([document] if isinstance(document, str) else document)


def first_characters(documents: Iterable[Document], limit: int | None) -> Iterator[Document]:
    """Yield documents until `limit` characters have come, the last one cut short (None: all)."""
    if limit is None:
        yield from documents
        return
    for document in between(documents, 0, limit):
        if isinstance(document, Ids):
            raise CorpusError("max_characters: this corpus gives token ids, which have none")
        yield document


def length(documents: Iterable[Document]) -> int:
    """Count the characters of all documents (the token ids of those that have no text)."""
    return sum(len(part) for document in documents for part in _parts(document))


def between(documents: Iterable[Document], start: int, stop: int) -> Iterator[Document]:
    """Yield what lies from character (or token id) `start` to `stop` of all documents joined.

    An empty document lies where the next character does. Documents stream: what is yielded has to
    be read before the next one is asked for.
    """
    position = 0
    for document in documents:
        if position >= stop:
            return
        if isinstance(document, Ids):
            part = _cut_ids(document, start - position, stop - position)
            if len(part.ids) or (not len(document.ids) and position >= start):
                yield part
            position += len(document.ids)
            continue
        cut = _Cut(text_pieces(document), position, start, stop)
        first = next(cut, None)
        if first is not None:
            yield chain([first], cut)
        elif start <= position == cut.position:
            yield ""
        for _ in cut:  # whatever the reader left
            pass
        position = cut.position


def _parts(document: Document) -> Iterator[Sized]:
    return iter([document.ids]) if isinstance(document, Ids) else text_pieces(document)


def _cut_ids(document: Ids, start: int, stop: int) -> Ids:
    inside = slice(max(start, 0), max(stop, 0))
    weights = None if document.weights is None else document.weights[inside]
    return Ids(document.ids[inside], weights)


class _Cut:
    """The pieces of one document that lie inside; `position` is where reading has come to."""

    def __init__(self, pieces: Iterator[str], position: int, start: int, stop: int) -> None:
        self._pieces = pieces
        self.position = position
        self._start = start
        self._stop = stop

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while self.position < self._stop:
            piece = next(self._pieces)
            begin, end = self._start - self.position, self._stop - self.position
            self.position += len(piece)
            part = piece[max(begin, 0) : end]
            if part:
                return part
        raise StopIteration
