"""Where the documents of a file end: at each line, at blank lines, or at a separator."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

Ends: TypeAlias = Literal["file", "line", "blank_line"] | Annotated[str, Field(min_length=1)]

_LINE = re.compile(r"\r\n|\r|\n")
_BLANK_LINES = re.compile(r"(?>\r\n|\r|\n)(?:[ \t]*(?>\r\n|\r|\n))+")
_OPEN_LINE = re.compile(r"\r\Z")
_OPEN_BLANK_LINES = re.compile(r"[\r\n][ \t\r\n]*\Z")


@dataclass(frozen=True)
class _Separator:
    """What ends a document, and what at the end of a piece may go on as such an end."""

    ends: re.Pattern[str]
    begun: Callable[[str], int]  # of a text: where what may be the beginning of an end begins


def split_documents(pieces: Iterator[str], ends: Ends) -> Iterator[Iterator[str]]:
    """Cut the text of a file into documents; those without a character are left out.

    Documents stream: each has to be read before the next one.
    """
    if ends == "file":
        yield pieces
        return
    cutter = _Cutter(pieces, _separator(ends))
    while not cutter.is_at_end:
        document = cutter.document()
        if (first := next(document, None)) is not None:
            yield _with_first(first, document)
            for _ in document:  # what the reader left
                pass


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
        self.is_at_end = False

    def document(self) -> Iterator[str]:
        while True:
            found = self._separator.ends.search(self._rest)
            open_from = self._separator.begun(self._rest)
            if found and found.end() <= open_from:
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
        part = self._rest[: found.start()] if found else self._rest
        self._rest = self._rest[found.end() :] if found else ""
        self.is_at_end = not self._rest
        if part:
            yield part
