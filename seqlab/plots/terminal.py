"""Panels -> lines of a terminal, in Braille dots, drawn by plotille (extra `plot`)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from seqlab.errors import UsageError
from seqlab.plots.series import Line, Panel
from seqlab.printable import one_line
from seqlab.status_line import columns, shortened

COLORS = (33, 208, 35, 175, 214, 75, 250)  # of 256: those of a figure, on dark and on light
MARKS = "•×+o*#@"
HEIGHT = 15  # lines of a panel, without its axes
LEFT = 14  # columns of the numbers at the axis
NARROWEST, WIDEST = 10, 110  # columns of dots


def text_of(panels: Sequence[Panel], width: int, *, colored: bool) -> str:
    """Return panels as text, one below another, none of whose lines is wider than `width`.

    Each line is the median of its group; the splits have marks, and colours if they are asked for.

    Raises:
        UsageError: plotille is not installed.
    """
    return "\n\n".join(_panel(panel, width, colored=colored) for panel in panels)


def _panel(panel: Panel, width: int, *, colored: bool) -> str:
    dots = min(width - LEFT, WIDEST)
    lines = _lines(panel, dots, colored)
    excess = max(map(_columns_of, lines)) - width  # of the axis, which has names behind it
    if excess > 0:
        lines = _lines(panel, dots - excess, colored)
    legend = [_legend(line, number, colored) for number, line in enumerate(panel.lines)]
    head = shortened(f"y: {one_line(panel.y_label)}", width)
    return "\n".join([head, *lines, *_in_rows(legend, width, colored)])


def _lines(panel: Panel, dots: int, colored: bool) -> list[str]:
    """The picture, with so many columns of dots."""
    figure = new_figure()
    figure.width, figure.height = max(dots, NARROWEST), HEIGHT
    figure.color_mode = "byte"
    figure.with_colors = colored
    figure.origin = False
    figure.x_label, figure.y_label = one_line(panel.x_label), "y"
    figure.x_ticks_fkt = _ticks("x" in panel.axes.log)
    figure.y_ticks_fkt = _ticks("y" in panel.axes.log)
    _set_limits(figure, panel)
    marked = not colored and len(panel.lines) > 1
    for number, line in enumerate(panel.lines):
        for xs, ys in _pieces(line, panel.axes.log):
            mark = MARKS[number % len(MARKS)] if marked or len(xs) == 1 else None
            figure.plot(xs, ys, lc=COLORS[number % len(COLORS)] if colored else None, marker=mark)
    return [line.rstrip() for line in str(figure.show()).splitlines()]


def _columns_of(line: str) -> int:
    return columns(re.sub(r"\x1b\[[0-9;]*m", "", line))


def new_figure() -> Any:
    """Return a figure of plotille; raise UsageError if that is not installed."""
    try:
        import plotille
    except ImportError:
        raise UsageError(
            "drawing in a terminal needs plotille: pip install 'seqlab[plot]'"
        ) from None
    return plotille.Figure()


def _pieces(line: Line, log: str) -> list[tuple[list[float], list[float]]]:
    """The points of a line, as they are drawn, in pieces without gaps."""
    pieces: list[tuple[list[float], list[float]]] = [([], [])]
    for x, y in zip(line.x, line.middle, strict=True):
        place = _placed(x, "x" in log), _placed(y, "y" in log)
        if all(map(math.isfinite, place)):
            pieces[-1][0].append(place[0])
            pieces[-1][1].append(place[1])
        elif pieces[-1][0]:
            pieces.append(([], []))
    return [piece for piece in pieces if piece[0]]


def _placed(value: float, logarithmic: bool) -> float:
    if not logarithmic:
        return value
    return math.log10(value) if value > 0 else math.nan


def _set_limits(figure: Any, panel: Panel) -> None:
    """The least and the most of both axes, a little apart where they are one point."""
    pieces = [piece for line in panel.lines for piece in _pieces(line, panel.axes.log)]
    figure.set_x_limits(*limits([x for xs, _ in pieces for x in xs]))
    figure.set_y_limits(*limits([y for _, ys in pieces for y in ys]))


def limits(values: Sequence[float]) -> tuple[float, float]:
    """Return the least and the most, a little apart where they are one."""
    least, most = min(values), max(values)
    return (least, most) if most > least else (least - 0.5, most + 0.5)


def _ticks(logarithmic: bool) -> Callable[[float, float], str]:
    def tick(value: float, _next: float) -> str:
        shown = 10**value if logarithmic else value
        return f"{shown:.4g}"

    return tick


def _legend(line: Line, number: int, colored: bool) -> tuple[str, str]:
    """What a line is, and its colour as an escape sequence."""
    seeds = f" (median of {line.runs})" if line.runs > 1 else ""
    name = ", ".join(part for part in (line.name, line.split) if part)
    text = f"{MARKS[number % len(MARKS)]} {one_line(name)}{seeds}"
    return text, f"\x1b[38;5;{COLORS[number % len(COLORS)]}m" if colored else ""


def _in_rows(entries: Sequence[tuple[str, str]], width: int, colored: bool) -> list[str]:
    """Entries of a legend, as many in a row as fit."""
    rows: list[list[str]] = []
    used = width
    for text, color in entries:
        short = shortened(text, width)
        if used + 2 + columns(short) > width:
            rows.append([])
            used = -2
        used += 2 + columns(short)
        rows[-1].append(f"{color}{short}\x1b[0m" if colored else short)
    return ["  ".join(row) for row in rows]
