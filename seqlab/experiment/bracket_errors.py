"""Brackets and quotes that are opened and not closed -> where they were opened."""

from __future__ import annotations

from typing import Any

import yaml

from seqlab.experiment.broken_text import BrokenText, Fault, here, shown

_OPENING = (yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken)
_CLOSING = (yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)
_CLOSED_BY = {"{": "}", "[": "]"}


def open_quote(where: BrokenText) -> Fault | None:
    if not where.has("while scanning a quoted scalar", "while scanning a single-quoted scalar"):
        return None
    if not where.has("unexpected end of stream", "unexpected document separator", "indicator"):
        return None
    opened = where.error.context_mark or where.mark
    quote = where.text[opened.index : opened.index + 1]
    return Fault(opened.line, opened.column, f"the quote {quote} is opened here and never closed")


def late_quote(where: BrokenText) -> Fault | None:
    """Text after a closed quote, which may have been meant to close in an earlier line."""
    token = _token_before(where)
    if not isinstance(token, yaml.ScalarToken) or token.plain or where.character in ("", ":"):
        return None
    start, end = token.start_mark, token.end_mark
    quote = where.text[start.index : start.index + 1]
    if start.line == end.line:
        inside = f"{quote}{quote}" if quote == "'" else '\\"'
        message = f"text after a closed quote; write a quote inside of quotes as {inside}"
        return here(where, message)
    last = f"line {end.line + 1}, column {end.column}"
    message = f"the quote {quote} is opened here and closed only in {last}; one is missing between"
    return Fault(start.line, start.column, message)


def _token_before(where: BrokenText) -> Any:
    """The token that ends where the parser failed, but for spaces."""
    before = [token for token in where.tokens if token.end_mark.index <= where.mark.index]
    if not before or where.text[before[-1].end_mark.index : where.mark.index].strip():
        return None
    return before[-1]


def brackets(where: BrokenText) -> Fault | None:
    """A bracket that is never closed, closed by another one, or was never opened."""
    if isinstance(where.error, yaml.scanner.ScannerError) and where.character not in ("|", ">"):
        return None
    opened: list[Any] = []
    for token in where.tokens:
        if isinstance(token, _OPENING):
            opened.append(token)
        elif isinstance(token, _CLOSING):
            if fault := _wrong_closing(where, opened, token):
                return fault
            opened = opened[:-1]
    open_here = [token for token in opened if token.start_mark.index < where.mark.index]
    return _never_closed(open_here[-1]) if open_here else None


def _wrong_closing(where: BrokenText, opened: list[Any], token: Any) -> Fault | None:
    mark, sign = token.start_mark, token.id
    if not opened:
        if mark.index != where.mark.index:
            return None
        return here(where, f"'{sign}' closes nothing; remove it, or quote the text")
    start, needed = opened[-1].start_mark, _CLOSED_BY[opened[-1].id]
    if sign == needed:
        return None
    there = f"line {mark.line + 1}, column {mark.column + 1}"
    message = f"'{opened[-1].id}' is opened here, and '{sign}' in {there} does not close"
    return Fault(start.line, start.column, f"{message} it; '{needed}' is missing before that")


def _never_closed(token: Any) -> Fault:
    sign, start = token.id, token.start_mark
    message = f"'{sign}' is opened here and never closed; '{_CLOSED_BY[sign]}' is missing"
    return Fault(start.line, start.column, message)


def missing_comma(where: BrokenText) -> Fault | None:
    if not where.has("',' or"):
        return None
    opened, before = where.error.context_mark or where.mark, _token_before(where)
    sign = where.text[opened.index : opened.index + 1]
    place = f"; the '{sign}' is opened in line {opened.line + 1}, column {opened.column + 1}"
    if where.character != ":" or before is None:
        return here(where, f"',' is missing before this{place}")
    start, end = before.start_mark, before.end_mark
    words = shown(where.text[start.index : end.index])
    return Fault(start.line, start.column, f"',' is missing in {words}{place}")
