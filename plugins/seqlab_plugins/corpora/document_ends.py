"""Where the documents of a file end: at each line, at blank lines, or at a separator."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from seqlab import Document

log = logging.getLogger("seqlab.document_ends")

KEYWORDS = ("file", "line", "blank_line")
_MEANT = {"newline": "line", "blank": "blank_line", "paragraph": "blank_line"}


def _no_misspelt_keyword(ends: str) -> str:
    """Refuse what is nearly a keyword: as a separator it would be found nowhere."""
    if ends in KEYWORDS:
        return ends
    word = re.sub(r"[\s_-]+", "_", ends.strip().lower())
    close = get_close_matches(word, [*KEYWORDS, *_MEANT], n=1, cutoff=0.8)
    if ends.isspace() or not close:
        return ends
    meant = _MEANT.get(close[0], close[0])
    raise ValueError(f"file, line, blank_line or a separator (did you mean '{meant}'?)")


Ends: TypeAlias = Annotated[
    Literal["file", "line", "blank_line"] | Annotated[str, Field(min_length=1)],
    AfterValidator(_no_misspelt_keyword),
]

_LINE = re.compile(r"\r\n|\r|\n")
_BLANK_LINES = re.compile(r"(?>\r\n|\r|\n)(?:[ \t]*(?>\r\n|\r|\n))+")
_OPEN_LINE = re.compile(r"\r\Z")
_OPEN_BLANK_LINES = re.compile(r"[\r\n][ \t\r\n]*\Z")


@dataclass(frozen=True)
class _Separator:
    """What ends a document, and what at the end of a piece may go on as such an end."""

    ends: re.Pattern[str]
    begun: Callable[[str], int]  # of a text: where what may be the beginning of an end begins


def split_documents(pieces: Iterator[str], ends: Ends) -> Generator[Iterator[str], None, bool]:
    """Cut the text of a file into documents; those without a character are left out.

    Documents stream: each has to be read before the next one.

    Returns:
        Whether an end was found anywhere.
    """
    if ends == "file":
        yield pieces
        return True
    cutter = _Cutter(pieces, _separator(ends))
    while not cutter.is_at_end:
        document = cutter.document()
        if (first := next(document, None)) is not None:
            yield _with_first(first, document)
            for _ in document:  # what the reader left
                pass
    return cutter.has_cut


def _with_first(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _separator(ends: str) -> _Separator:
    if ends == "line":
        return _Separator(_LINE, lambda text: _place(_OPEN_LINE, text))
    if ends == "blank_line":
        return _Separator(_BLANK_LINES, lambda text: _place(_OPEN_BLANK_LINES, text))
    return _Separator(re.compile(re.escape(ends)), lambda text: _begun(ends, text))


def _place(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.search(text)
    return found.start() if found else len(text)


def _begun(separator: str, text: str) -> int:
    """Where the longest beginning of a separator stands with which a text ends."""
    most = min(len(separator) - 1, len(text))
    lengths = (n for n in range(most, 0, -1) if text.endswith(separator[:n]))
    return len(text) - next(lengths, 0)


class _Cutter:
    """Reads pieces, and hands them on up to the next end of a document."""

    def __init__(self, pieces: Iterator[str], separator: _Separator) -> None:
        self._pieces, self._separator = pieces, separator
        self._rest = ""
        self.is_at_end = self.has_cut = False

    def document(self) -> Iterator[str]:
        while True:
            found = self._separator.ends.search(self._rest)
            open_from = self._separator.begun(self._rest)
            if found and found.end() <= open_from:
                self.has_cut = True
                part, self._rest = self._rest[: found.start()], self._rest[found.end() :]
                if part:
                    yield part
                return
            ready = min(found.start(), open_from) if found else open_from
            part, self._rest = self._rest[:ready], self._rest[ready:]
            if part:
                yield part
            piece = next(self._pieces, None)
            if piece is None:
                yield from self._last()
                return
            self._rest += piece

    def _last(self) -> Iterator[str]:
        """The end of the file, where nothing can go on any more."""
        found = self._separator.ends.search(self._rest)
        self.has_cut |= found is not None
        part = self._rest[: found.start()] if found else self._rest
        self._rest = self._rest[found.end() :] if found else ""
        self.is_at_end = not self._rest
        if part:
            yield part


@dataclass
class WatchedEnds:
    """Warns, once for each split, of a separator that is in none of its files."""

    ends: Ends
    told: set[str] = field(default_factory=set)

    def documents(
        self,
        split: str,
        files: Iterable[Path],
        read: Callable[[Path], Generator[Document, None, bool]],
    ) -> Iterator[Document]:
        """Yield the documents of all files; `read` returns whether a file has a separator."""
        found = False
        for path in files:
            found |= yield from read(path)
        if not found and self.ends not in KEYWORDS and split not in self.told:
            self.told.add(split)
            log.warning(
                "corpus.documents: %r is nowhere in the files of split '%s', so each file is one"
                " document",
                self.ends,
                split,
            )
