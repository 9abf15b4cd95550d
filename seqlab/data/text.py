"""Documents as streams of text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from seqlab.contracts import Document, Ids
from seqlab.errors import CorpusError


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
    left = limit
    for document in documents:
        if isinstance(document, Ids):
            raise CorpusError("max_characters: this corpus gives token ids, which have none")
        pieces = []
        for piece in text_pieces(document):
            pieces.append(piece[:left])
            left -= len(pieces[-1])
            if not left:
                break
        yield pieces
        if not left:
            return
