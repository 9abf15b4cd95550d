"""Text in blocks whose ends depend only on the text, not on the pieces of the corpus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from seqlab.contracts import Document, Ids

BLOCK = 1 << 20  # characters


def in_blocks(document: Document, block: int = BLOCK) -> Document:
    """Return the document with its text in pieces of at most `block` characters.

    A piece ends with the last newline in a block, else with the last space, so a tokenizer never
    gets half a word, unless the word is longer than a block.
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
    """The end of the first block: after a newline, else after a space."""
    return text.rfind("\n", 0, block) + 1 or text.rfind(" ", 0, block) + 1 or block
