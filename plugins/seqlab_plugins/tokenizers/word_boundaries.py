"""Where words begin and end by Unicode (UAX #29), in a time that grows with the text's length.

To know what a place is, the library looks back over all marks (accents, joiners, formats) or halves
of flags before it, so a long run of these would take a time that grows with the square of it. Such
a run is cut short for it: of marks, which no word ends within, to the first and the last; of halves
of flags, of which a word has two, by an even number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

_LONG = r"\p{WB=Regional_Indicator}{8,}+|[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}]{8,}+"
_FLAGS = range(0x1F1E6, 0x1F200)  # the code points of their halves


class _Spared(NamedTuple):
    """What was left out of a text, and its place in the shorter one."""

    text: str
    place: int

    @property
    def is_flags(self) -> bool:
        """Whether it is words of its own, behind the one that ends here; else it is within one."""
        return ord(self.text[0]) in _FLAGS


def segment(text: str) -> list[str]:
    """Cut a text at its word boundaries."""
    runs = [] if text.isascii() else list(_pattern(_LONG).finditer(text))
    if not runs:
        return _words(text)
    parts, spared, end, length = [], [], 0, 0
    for run in runs:
        start, stop = _to_spare(run)
        parts.append(text[end:start])
        length += start - end
        spared.append(_Spared(text[start:stop], length))
        end = stop
    return list(_put_back(_words("".join([*parts, text[end:]])), spared))


def _to_spare(run: Any) -> tuple[int, int]:
    """Which part of a run the boundaries around it do not depend on."""
    start, stop = run.span()
    if ord(run[0][0]) in _FLAGS:
        return start + 2, start + 2 + (stop - start - 3) // 2 * 2
    return start + 1, stop - 1


def _put_back(words: Sequence[str], spared: Sequence[_Spared]) -> Iterator[str]:
    waiting = iter(spared)
    found = next(waiting, None)
    begin = 0
    for word in words:
        end, parts, flags = begin + len(word), [word], ""
        while found is not None and found.place <= end:
            if found.is_flags:
                flags = found.text
            else:
                last = parts.pop()
                cut = len(last) - (end - found.place)
                parts += [last[:cut], found.text, last[cut:]]
            found = next(waiting, None)
        yield "".join(parts)
        yield from (flags[place : place + 2] for place in range(0, len(flags), 2))
        begin = end


def _words(text: str) -> list[str]:
    found: list[str] = _pattern(r"(?ws).+?\b").findall(text)
    return found


@cache
def _pattern(written: str) -> Any:
    import regex

    return regex.compile(written)
