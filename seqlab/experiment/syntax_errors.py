"""A text that is no YAML -> where that begins, and what would be right.

A parser complains where it cannot go on, which is often lines after the mistake: an open brace is
told where it was opened, a missing space where it is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from seqlab.experiment.bracket_errors import brackets, late_quote, missing_comma, open_quote
from seqlab.experiment.broken_text import (
    ENDS_OF_LINES,
    BrokenText,
    Fault,
    has_content,
    here,
    indent_of,
    shown,
    spaces,
)

_NO_SPACE = re.compile(r"\s*(?:- +)*[A-Za-z_][\w.-]*:(?=[^\s/])")
_KEY_AND_SPACE = re.compile(r"\s*(?:- +)*[^\s:#][^:]*:\s")
_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


_SCANNING = (
    *("scanning a directive", "scanning an anchor", "scanning an alias", "scanning a tag"),
    *("parsing a tag", "scanning a block scalar"),
)


def without_space(text: str) -> tuple[int, str] | None:
    """Where a space is missing in `name:rnn`, and the message; None: it is another text."""
    match = _NO_SPACE.match(text)
    name = match and match[0].lstrip("- ")
    return (match.end(), f"a space is missing after '{name}'") if match else None


def unprintable(text: str) -> Fault | None:
    """The first character that YAML does not allow, if any."""
    match = _NOT_PRINTABLE.search(text)
    if not match:
        return None
    *above, line = ENDS_OF_LINES.split(text[: match.start()])
    message = f"has the control character {match[0]!a}; remove it, or write it in double quotes"
    return Fault(len(above), len(line), f"{message} with a backslash")


def fault_in(text: str, error: yaml.MarkedYAMLError, loader: Any) -> Fault:
    """Find the mistake in a text at which a parser of the class `loader` failed."""
    where = BrokenText(text, loader, error)
    if where.mark is None:
        return Fault(0, 0, error.problem or "is not YAML")
    for explain in _EXPLANATIONS:
        if fault := explain(where):
            return fault
    line, column = _inside(where, where.mark.line, where.mark.column)
    return Fault(line, column, error.problem or "is not YAML")


def _tab(where: BrokenText) -> Fault | None:
    if where.character != "\t":
        return None
    return here(where, "a tab cannot indent YAML; use spaces")


def _no_space_after_colon(where: BrokenText) -> Fault | None:
    if not where.has("expected ':'", "mapping values are not allowed"):
        return None
    key = where.error.context_mark or where.mark
    for line in (key.line, where.before(key.line)):
        if line is not None and (missing := without_space(where.lines[line])):
            return Fault(line, *missing)
    return None


def _no_colon(where: BrokenText) -> Fault | None:
    if not where.has("could not find expected ':'"):
        return None
    key = where.error.context_mark or where.mark
    word = shown(where.lines[key.line][key.column :])
    return Fault(key.line, key.column, f"{word} is no KEY: VALUE; a ':' is missing, or quotes are")


def _second_colon(where: BrokenText) -> Fault | None:
    if not where.has("mapping values are not allowed"):
        return None
    if not _KEY_AND_SPACE.match(where.line[: where.mark.column]):
        return None
    return here(where, "a second ': ' in one line; quote the text that has it, or use {}")


def _deeper_than_above(where: BrokenText) -> Fault | None:
    """A key where the value of the line above goes on."""
    above = where.before(where.mark.line)
    if above is None or not where.has("mapping values are not allowed"):
        return None
    column = indent_of(where.line)
    message = f"{shown(where.line.strip())} is indented more than line {above + 1}, which has its"
    message += " value already; indent both alike"
    return Fault(where.mark.line, column, message)


def _indentation(where: BrokenText) -> Fault | None:
    """A line that is indented as none of those that it could belong to."""
    column = where.mark.column
    if where.line[:column].strip() or not where.character.strip():
        return None
    levels = _open_levels(where)
    if column in levels:
        return None
    around = " or ".join(map(str, levels))
    return here(where, f"is indented by {spaces(column)}, where {around} would be right")


def _open_levels(where: BrokenText) -> list[int]:
    """The indentations that may go on in the line at which the parser failed."""
    levels: list[int] = []
    for line in where.lines[: where.mark.line]:
        if has_content(line):
            levels = [level for level in levels if level < indent_of(line)] + [indent_of(line)]
    return levels


def _first_character(where: BrokenText) -> Fault | None:
    """A character that means something to YAML at the start of a text."""
    mark = where.mark
    if where.has(*_SCANNING) and where.error.context_mark:
        mark = where.error.context_mark
    elif not where.has("cannot start any token"):
        return None
    sign = where.text[mark.index : mark.index + 1]
    if not sign:
        return None
    return Fault(mark.line, mark.column, f"a text cannot start with '{sign}'; put it in quotes")


def _missing_value(where: BrokenText) -> Fault | None:
    if not where.has("while parsing a flow node") or not where.character:
        return None
    return here(where, f"a value is missing before '{where.character}'")


def _alias(where: BrokenText) -> Fault | None:
    if not where.has("found undefined alias"):
        return None
    return here(where, "no anchor (&) of this name; put a text that starts with '*' in quotes")


def _other_document(where: BrokenText) -> Fault | None:
    if not where.has("another document"):
        return None
    return here(where, "a second document begins here; an experiment is one")


def _escape(where: BrokenText) -> Fault | None:
    if not where.has("unknown escape character"):
        return None
    message = "a \\ in double quotes begins an escape; use single quotes, or write it twice"
    return here(where, message)


def _after_a_value(where: BrokenText) -> Fault | None:
    """Something where a block of keys should go on."""
    if not where.has("did not find expected key", "expected <block end>") or not where.character:
        return None
    if not where.line[: where.mark.column].strip():
        return here(where, "a KEY: VALUE of the mapping above is expected here")
    return here(where, "text after a value that has ended; put it in a line of its own")


_EXPLANATIONS: tuple[Callable[[BrokenText], Fault | None], ...] = (
    *(_tab, open_quote, late_quote, brackets, missing_comma, _no_space_after_colon, _no_colon),
    *(_second_colon, _deeper_than_above, _indentation, _first_character, _missing_value, _alias),
    *(_other_document, _escape, _after_a_value),
)


def _inside(where: BrokenText, line: int, column: int) -> tuple[int, int]:
    """A place, or the end of the last line with anything in it, if it lies after that."""
    last = where.before(len(where.lines))
    if last is None or line <= last:
        return line, column
    return last, len(where.lines[last].rstrip())
