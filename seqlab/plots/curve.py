"""A panel as a small SVG, to stand in a page: a few lines, no script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from seqlab.plots.series import Line, Panel
from seqlab.printable import cell

WIDTH, HEIGHT = 360, 180
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 22, 22  # pixels around the curve
MOST_POINTS = 300  # of a line; more would not be seen
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
WIDE = 30.0  # from this ratio on the axis is logarithmic


def svg(panel: Panel) -> str:
    """Return the medians of a panel as SVG; the axis of the metric is logarithmic if that helps."""
    values = [y for line in panel.lines for y in line.middle if math.isfinite(y)]
    scale = _Scale(values, _log_helps(values))
    places = [x for line in panel.lines for x in line.x]
    lines = [line for line in panel.lines if line.points]
    parts = [
        *_axis(panel, scale, min(places), max(places)),
        *(part for i, line in enumerate(lines) for part in _line(line, i, scale, places)),
        *(_label(_named(line), i) for i, line in enumerate(lines)),
    ]
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    font = 'font-family="sans-serif" font-size="11" fill="currentColor"'
    label = escape(cell(f"{panel.y_label} by {panel.x_label}"), quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font} role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


class _Scale:
    """From a value to its distance from the top, in pixels."""

    def __init__(self, values: Sequence[float], logarithmic: bool) -> None:
        self.least, self.most = min(values), max(values)
        self._place = math.log if logarithmic else float
        self._low, self._span = self._place(self.least), 0.0
        self._span = self._place(self.most) - self._low

    def __call__(self, value: float) -> float:
        share = (self._place(value) - self._low) / self._span if self._span else 0.5
        return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)


def _log_helps(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) > WIDE


def _line(line: Line, number: int, scale: _Scale, places: Sequence[float]) -> Iterator[str]:
    color = COLORS[number % len(COLORS)]
    for piece in _pieces(line):
        points = [(_across(x, places), scale(y)) for x, y in _thinned(piece)]
        if len(points) == 1:
            yield f'<circle cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="3" fill="{color}"/>'
        else:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"/>'


def _across(x: float, places: Sequence[float]) -> float:
    least, most = min(places), max(places)
    share = (x - least) / (most - least) if most > least else 0.5
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _pieces(line: Line) -> list[list[tuple[float, float]]]:
    """The points of a line, in pieces without gaps."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(line.x, line.middle, strict=True):
        if math.isfinite(y):
            pieces[-1].append((x, y))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _thinned(points: Sequence[tuple[float, float]]) -> Iterable[tuple[float, float]]:
    """Every n-th point, and the last one."""
    every = -(-len(points) // MOST_POINTS)
    return [*points[:-1:every], points[-1]]


def _axis(panel: Panel, scale: _Scale, least: float, most: float) -> Iterator[str]:
    bottom = HEIGHT - BOTTOM
    yield (
        f'<path d="M{LEFT},{TOP} V{bottom} H{WIDTH - RIGHT}" fill="none" stroke="currentColor"'
        ' stroke-opacity="0.4"/>'
    )
    yield _text(LEFT - 4, scale(scale.most) + 4, f"{scale.most:.4g}", "end")
    if scale.most > scale.least:
        yield _text(LEFT - 4, scale(scale.least) + 4, f"{scale.least:.4g}", "end")
    yield _text(LEFT, HEIGHT - 6, f"{panel.x_label} {least:.6g}", "start")
    yield _text(WIDTH - RIGHT, HEIGHT - 6, f"{most:.6g}", "end")
    yield _text(4, 12, panel.y_label, "start")


def _named(line: Line) -> str:
    return ", ".join(part for part in (line.name, line.split) if part)


def _label(text: str, number: int) -> str:
    across = WIDTH - RIGHT - 60 * number
    return _text(across, 12, text[:12], "end", COLORS[number % len(COLORS)])


def _text(x: float, y: float, text: str, anchor: str, color: str = "currentColor") -> str:
    place = f'x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{color}"'
    return f"<text {place}>{escape(cell(text))}</text>"
