"""Text in blocks whose ends depend on the text alone, not on how it was read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from seqlab.contracts import Document, Ids

BLOCK = 1 << 20  # characters


def recut(document: Document, block: int = BLOCK) -> Document:
    """Return the document with its text in pieces of at most `block` characters.

    A piece ends with the last newline among its first `block` characters, else with the last
    space, so that a tokenizer never sees half a word unless the word is longer than a block.
    Wherever a corpus ends its own pieces, the tokens are the same.
    """
    if isinstance(document, Ids) or (isinstance(document, str) and len(document) <= block):
        return document
    return _blocks([document] if isinstance(document, str) else document, block)


def _blocks(pieces: Iterable[str], block: int) -> Iterator[str]:
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
    """Where the first block ends: behind a newline, or behind a space, or full."""
    for mark in ("\n", " "):
        place = text.rfind(mark, 0, block)
        if place >= 0:
            return place + 1
    return block
