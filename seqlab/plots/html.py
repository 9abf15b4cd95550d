"""What a notebook shows of runs: tables, and curves as inline SVG. All text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from seqlab.errors import UsageError
from seqlab.plots.axes import Axes
from seqlab.plots.curve import svg
from seqlab.plots.series import Group, panels
from seqlab.printable import cell


def report(title: str, told: Mapping[str, Any], groups: Sequence[Group]) -> str:
    """Return a table of names and values, with the curve of the first metric beside it."""
    rows = "".join(f"<tr><th{_LEFT}>{_text(k)}</th>{_cell(v)}</tr>" for k, v in told.items())
    table = f"<table><caption{_LEFT}>{_text(title)}</caption>{rows}</table>"
    return f'<div style="{_BESIDE}">{table}{_curve(groups)}</div>'


def table(rows: Sequence[Mapping[str, Any]], bold: Iterable[tuple[int, str]] = ()) -> str:
    """Return a table with a row for each mapping; those cells are bold, by row and name."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th>{_text(name)}</th>" for name in names)
    marked = set(bold)
    body = "".join(
        f"<tr>{''.join(_cell(row.get(name), bold=(i, name) in marked) for name in names)}</tr>"
        for i, row in enumerate(rows)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def failure(message: str) -> str:
    """Return what stands in the place of something that cannot be shown."""
    return f"<pre>{_text(message)}</pre>"


_LEFT = ' style="text-align:left"'
_BESIDE = "display:flex;gap:2em;align-items:flex-start;flex-wrap:wrap"


def _curve(groups: Sequence[Group]) -> str:
    try:
        (panel,) = panels(groups, (), Axes())
    except UsageError as error:  # there is nothing to draw yet
        return failure(str(error))
    return svg(panel)


def _cell(value: Any, *, bold: bool = False) -> str:
    text = _text(_shown(value))
    return f"<td{_LEFT}>{f'<b>{text}</b>' if bold else text}</td>"


def _shown(value: Any) -> str:
    """Numbers to six digits, as in `seqlab compare`."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _text(value: object) -> str:
    return escape(cell(str(value)))
