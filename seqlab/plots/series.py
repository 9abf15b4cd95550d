"""Rows of runs -> lines: seeds as a median in a band, one panel for each metric."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seqlab.errors import UsageError
from seqlab.plots.axes import Axes, Rows, positions, time_unit
from seqlab.registry.option_values import suggest

PLACES = ("step", "epoch", "split")  # of a row: where it is, not what was measured
COUNTED = ("tokens", "seconds")  # what it took, which `all` leaves out
FIRST = ("perplexity", "loss")  # what is drawn if nobody says what


@dataclass(frozen=True)
class Group:
    """Runs that are drawn as one: the rows of `metrics.jsonl` of each, equal but for the seed."""

    name: str
    runs: tuple[Rows, ...]


@dataclass(frozen=True)
class Line:
    """A metric of a group on a split: the median of its runs, between the least and the most.

    Points that a run has no number for are left out; `nan` marks the gap where all lack one.
    """

    name: str
    split: str
    x: tuple[float, ...]
    middle: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    runs: int

    @property
    def points(self) -> int:
        return sum(map(math.isfinite, self.middle))


@dataclass(frozen=True)
class Panel:
    """The lines of one metric; `x_label` and `y_label` say what the axes show."""

    metric: str
    lines: tuple[Line, ...]
    axes: Axes
    x_label: str
    y_label: str
    notices: tuple[str, ...] = ()


def metrics_of(groups: Iterable[Group]) -> list[str]:
    """Return the columns in which any row has a number, in order of appearance."""
    rows = [row for group in groups for run in group.runs for row in run]
    found = dict.fromkeys(name for row in rows for name, value in row.items() if _is_number(value))
    return [name for name in found if name not in PLACES]


def panels(groups: Sequence[Group], metric: str | Sequence[str], axes: Axes) -> list[Panel]:
    """Return a panel for each metric.

    Args:
        groups: what is drawn; those without rows are left out.
        metric: one or several, or `all`; empty: the perplexity, or else the loss.
        axes: what the axes show.

    Raises:
        UsageError: there are no rows, no run has such a metric, or nothing is left on a
            logarithmic axis of the only metric.
    """
    groups = [Group(group.name, tuple(filter(len, group.runs))) for group in groups]
    groups = [group for group in groups if group.runs]
    if not groups:
        raise UsageError("there is nothing to draw: no run has a row of metrics yet")
    chosen = _chosen([metric] if isinstance(metric, str) else metric, metrics_of(groups))
    return [_in_units(_panel(groups, name, axes, alone=len(chosen) == 1)) for name in chosen]


def _chosen(asked: Sequence[str], known: Sequence[str]) -> list[str]:
    asked = [name for name in asked if name]
    if "all" in asked:
        return [name for name in known if name not in COUNTED]
    for name in asked:
        if name not in known:
            raise UsageError(f"metric: no run has numbers of '{name}'{suggest(name, known)}")
    first = [name for name in FIRST if name in known] or list(known)
    if not first:
        raise UsageError("there is nothing to draw: no row has a number")
    return list(dict.fromkeys(asked)) or first[:1]


def _panel(groups: Sequence[Group], metric: str, axes: Axes, *, alone: bool) -> Panel:
    splits = dict.fromkeys(row["split"] for g in groups for run in g.runs for row in run)
    lines = [_line(group, split, metric, axes) for group in groups for split in splits]
    drawn = tuple(line for line in lines if line.points)
    if not drawn:
        raise UsageError(f"x: the {axes.x} of no row with {metric} is known yet; take x=step")
    of = f" (mean of {axes.smooth} rows)" if axes.smooth > 1 else ""
    panel = Panel(metric, drawn, axes, axes.x, metric.replace("_", " ") + of)
    notices = list(_lost(groups, metric))
    for axis in _without_logarithm(panel):
        message = f"log: {axis} shows {axes.x if axis == 'x' else metric}, which is nowhere above 0"
        if alone:
            raise UsageError(message)
        panel = replace(panel, axes=replace(axes, log=axes.log.replace(axis, "")))
        notices.append(f"{message}: that axis is not logarithmic")
    return replace(panel, notices=tuple(notices))


def _lost(groups: Sequence[Group], metric: str) -> Iterable[str]:
    """One sentence for each group with numbers that are none."""
    for group in groups:
        rows = [row for run in group.runs for row in run]
        splits = {row["split"] for row in rows if _is_number(row.get(metric))}
        count = sum(row["split"] in splits and not _is_number(row.get(metric)) for row in rows)
        if count:
            name = f"{group.name}: " if group.name else ""
            of = f"{count} of {len(rows)} rows"
            yield f"{name}{metric} is no number, or too large for one, in {of}, which are not drawn"


def _line(group: Group, split: str, metric: str, axes: Axes) -> Line:
    """The runs of a group joined at each step."""
    at: dict[int, list[tuple[float, float]]] = {}
    for rows in group.runs:
        last = {step: (x, y) for step, x, y in _points(rows, split, metric, axes)}
        for step, point in last.items():
            at.setdefault(step, []).append(point)
    points = [_summary(at[step]) for step in sorted(at)]
    columns = [tuple(point[i] for point in points) for i in range(4)]
    x, middle, low, high = columns
    return Line(group.name, split, x, middle, low, high, runs=len(group.runs))


def _summary(points: Sequence[tuple[float, float]]) -> tuple[float, float, float, float]:
    """Place, median, least and most of the values of several runs at one step."""
    values = [value for _, value in points if math.isfinite(value)] or [math.nan]
    place = statistics.median(x for x, _ in points)
    return place, statistics.median(values), min(values), max(values)


def _points(rows: Rows, split: str, metric: str, axes: Axes) -> Iterable[tuple[int, float, float]]:
    """Step, place and value of each row of a split; `nan` for a number that is none."""
    places = positions(rows, axes.x)
    found = [(row, x) for row, x in zip(rows, places, strict=True) if row["split"] == split]
    values = [row[metric] if _is_number(row.get(metric)) else math.nan for row, _ in found]
    smoothed = _smoothed(values, axes.smooth)
    for (row, x), value in zip(found, smoothed, strict=True):
        if math.isfinite(x):
            yield int(row["step"]), x, value


def _smoothed(values: Sequence[float], count: int) -> list[float]:
    """The mean of each value and the `count - 1` before it; gaps stay."""
    means = []
    for index, value in enumerate(values):
        window = [v for v in values[max(index - count + 1, 0) : index + 1] if math.isfinite(v)]
        means.append(statistics.fmean(window) if math.isfinite(value) else math.nan)
    return means


def _without_logarithm(panel: Panel) -> list[str]:
    """The logarithmic axes on which nothing would be left."""
    values = {
        "x": [x for line in panel.lines for x in line.x],
        "y": [y for line in panel.lines for y in line.middle],
    }
    return [axis for axis in panel.axes.log if not any(value > 0 for value in values[axis])]


def _in_units(panel: Panel) -> Panel:
    """Times in seconds, minutes or hours, by the longest of them."""
    if panel.axes.x != "time":
        return panel
    size, unit = time_unit(max((x for line in panel.lines for x in line.x), default=0.0))
    lines = [replace(line, x=tuple(x / size for x in line.x)) for line in panel.lines]
    return replace(panel, lines=tuple(lines), x_label=f"time ({unit})")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
