"""The elements of one long array of JSON, with no more than one of them in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_SPACE = re.compile(r"[ \t\r\n]*")
_NEAR = 12  # characters; a word or an escape that is cut off is shorter
_DECODER = json.JSONDecoder()


class NotAnArray(ValueError):
    """The text is no array of JSON; the number is that of the element at fault, from 1."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


def elements(pieces: Iterator[str], limit: int) -> Iterator[Any]:
    """Yield the elements of an array that comes in pieces; the first character is its bracket.

    Args:
        pieces: the text.
        limit: the most characters of an element, which is read as a whole.

    Raises:
        NotAnArray: the text is not valid, ends too early, or an element is too long.
    """
    reader = _Reader(pieces, limit)
    reader.expect("[")
    if reader.next_character() == "]":
        reader.expect("]")
    else:
        yield reader.element()
        while reader.next_character() == ",":
            reader.expect(",")
            yield reader.element()
        reader.expect("]")
    if reader.next_character():
        raise reader.error("something follows the end of the array")


class _Reader:
    def __init__(self, pieces: Iterator[str], limit: int) -> None:
        self._pieces, self._limit = pieces, limit
        self._text, self._at, self._number = "", 0, 0

    def error(self, message: str) -> NotAnArray:
        return NotAnArray(max(self._number, 1), message)

    def next_character(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def expect(self, character: str) -> None:
        if self.next_character() != character:
            raise self.error(f"a '{character}' is missing")
        self._at += 1

    def element(self) -> Any:
        self.next_character()
        self._number += 1
        self._text, self._at = self._text[self._at :], 0
        while True:
            try:
                value, self._at = _DECODER.raw_decode(self._text)
            except json.JSONDecodeError as error:
                if not self._may_go_on(error) or not self._read_on():
                    raise self.error(error.msg) from None
            except (ValueError, RecursionError) as error:  # a long number, or too deep nesting
                raise self.error(str(error)) from None
            else:  # a number at the very end may go on
                if self._at < len(self._text) or not self._read_on():
                    return value

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        """Whether what is wrong may be that the text is cut off here."""
        cut_off = error.msg.startswith("Unterminated") or error.pos > len(self._text) - _NEAR
        if cut_off and len(self._text) > self._limit:
            raise self.error(f"it has more than {self._limit:,} characters (`max_line`)")
        return cut_off

    def _read_on(self) -> bool:
        piece = next(self._pieces, None)
        self._text += piece or ""
        return piece is not None
