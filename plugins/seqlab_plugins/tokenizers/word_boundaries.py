"""Word boundaries of Unicode (UAX #29), in a time that grows linearly with the text.

The library looks back over all marks (accents, joiners, formats) or halves of flags before a
position, so a long run of these would take quadratic time. The library gets a shorter run: the
first and the last of the marks, as no word ends within them; and halves of flags without an even
number of them, as a word has two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

_LONG_RUN = r"\p{WB=Regional_Indicator}{8,}+|[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}]{8,}+"
_FLAGS = range(0x1F1E6, 0x1F200)  # code points of halves of flags


class _Removed(NamedTuple):
    """A part that was removed from a text, and its position in the shorter text."""

    text: str
    position: int

    @property
    def is_flags(self) -> bool:
        """Whether it is words of its own after the current one, or a part of the current one."""
        return ord(self.text[0]) in _FLAGS


def segment(text: str) -> list[str]:
    """Cut a text at its word boundaries."""
    runs = [] if text.isascii() else list(_pattern(_LONG_RUN).finditer(text))
    if not runs:
        return _words(text)
    parts, removed, end, length = [], [], 0, 0
    for run in runs:
        start, stop = _removable(run)
        parts.append(text[end:start])
        length += start - end
        removed.append(_Removed(text[start:stop], length))
        end = stop
    return list(_restore(_words("".join([*parts, text[end:]])), removed))


def _removable(run: Any) -> tuple[int, int]:
    """The part of a run that does not matter for the boundaries around it."""
    start, stop = run.span()
    if ord(run[0][0]) in _FLAGS:
        return start + 2, start + 2 + (stop - start - 3) // 2 * 2
    return start + 1, stop - 1


def _restore(words: Sequence[str], removed: Sequence[_Removed]) -> Iterator[str]:
    parts_left = iter(removed)
    part = next(parts_left, None)
    begin = 0
    for word in words:
        end, pieces, flags = begin + len(word), [word], ""
        while part is not None and part.position <= end:
            if part.is_flags:
                flags = part.text
            else:
                last = pieces.pop()
                cut = len(last) - (end - part.position)
                pieces += [last[:cut], part.text, last[cut:]]
            part = next(parts_left, None)
        yield "".join(pieces)
        yield from (flags[i : i + 2] for i in range(0, len(flags), 2))
        begin = end


def _words(text: str) -> list[str]:
    words: list[str] = _pattern(r"(?ws).+?\b").findall(text)
    return words


@cache
def _pattern(pattern: str) -> Any:
    import regex

    return regex.compile(pattern)
