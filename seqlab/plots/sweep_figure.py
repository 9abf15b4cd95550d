"""A sweep -> a figure of matplotlib: parallel coordinates, slices, importance."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

from seqlab.errors import UsageError
from seqlab.plots.figure import COLORS
from seqlab.plots.fonts import families_for
from seqlab.plots.matplotlib import drawing
from seqlab.plots.sweep import Scale, SweepPicture
from seqlab.printable import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

ACROSS = 3  # slices beside each other
WIDTH, HEIGHT = 10.0, 3.0  # inches, of a row of axes
MAP = "viridis_r"  # the best is darkest, also without colour vision


def draw_sweep(picture: SweepPicture) -> Figure:
    """Return a figure of a sweep; equal sweeps give equal bytes in a file.

    Raises:
        UsageError: no trial has a value yet, or matplotlib is not installed.
    """
    if not picture.tried:
        raise UsageError(f"sweep '{picture.name}': no trial has ended yet, so nothing is drawn")
    with drawing():
        families, _ = families_for(_texts(picture))
    with drawing(*families):
        return _drawn(picture)


def _drawn(picture: SweepPicture) -> Figure:
    from seqlab.plots.shown import ShownFigure

    rows = math.ceil(len(picture.scales) / ACROSS)
    height = HEIGHT * (rows + 1 + bool(picture.importances))
    figure = ShownFigure(figsize=(WIDTH, height), layout="constrained")
    figure.suptitle(one_line(picture.name))
    grid = figure.add_gridspec(rows + 1 + bool(picture.importances), ACROSS)
    _draw_parallel(figure.add_subplot(grid[0, :]), picture)
    for index, scale in enumerate(picture.scales):
        place = grid[1 + index // ACROSS, index % ACROSS]
        _draw_slice(figure.add_subplot(place), picture, scale)
    if picture.importances:
        _draw_importance(figure.add_subplot(grid[-1, :]), picture)
    return figure


def _draw_parallel(axes: Axes, picture: SweepPicture) -> None:
    """A line for each trial through its place on every axis; the last axis is its value."""
    places = {scale.key: dict(_spread(picture, scale)) for scale in picture.scales}
    ranked = picture.ranked
    for rank, trial in enumerate(ranked):
        points = [
            (i, places[scale.key].get(trial.number)) for i, scale in enumerate(picture.scales)
        ]
        known = [(x, y) for x, y in points if y is not None]
        height = rank / max(len(ranked) - 1, 1)
        line = [*known, (len(picture.scales), height)]
        axes.plot(*zip(*line, strict=True), color=_color(height), alpha=0.7, linewidth=1)
    for x, scale in enumerate(picture.scales):
        axes.axvline(x, color="0.6", linewidth=0.8)
        _name_places(axes, picture, scale, x)
    axes.axvline(len(picture.scales), color="0.6", linewidth=0.8)
    values = ranked[0].value, ranked[-1].value
    for height, value in zip((0.0, 1.0), values, strict=True):
        axes.annotate(f"{value:.4g}", (len(picture.scales), height), fontsize=7)
    names = [*(one_line(scale.key) for scale in picture.scales), "rank of value"]
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.set_yticks([])
    axes.set_xlim(-0.2, len(picture.scales) + 0.4)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _name_places(axes: Axes, picture: SweepPicture, scale: Scale, x: int) -> None:
    places = [place for _, place in picture.places(scale)]
    if not places:
        return
    for place, label in scale.ticks(places):
        height = _between(place, scale, places)
        axes.annotate(one_line(label), (x, height), fontsize=7, color="0.3")


def _spread(picture: SweepPicture, scale: Scale) -> list[tuple[int, float]]:
    """Places from 0 to 1."""
    found = picture.places(scale)
    every = [place for _, place in found]
    return [(trial.number, _between(place, scale, every)) for trial, place in found]


def _between(place: float, scale: Scale, every: list[float]) -> float:
    low, high = (0.0, len(scale.labels) - 1.0) if scale.labels else (min(every), max(every))
    return (place - low) / (high - low) if high > low else 0.5


def _draw_slice(axes: Axes, picture: SweepPicture, scale: Scale) -> None:
    """The value of each trial by one key; pruned ones are hollow."""
    places = picture.places(scale)
    ranks = {trial.number: rank for rank, trial in enumerate(picture.ranked)}
    for trial, place in places:
        color = _color(ranks[trial.number] / max(len(ranks) - 1, 1))
        style: dict[str, Any] = {"facecolors": "none" if trial.pruned else color}
        axes.scatter([place], [trial.value], s=18, edgecolors=[color], **style)
    if places:
        ticks = scale.ticks([place for _, place in places])
        axes.set_xticks([place for place, _ in ticks], [one_line(label) for _, label in ticks])
    axes.set_xlabel(one_line(scale.key))
    axes.set_ylabel(one_line(picture.measure))
    axes.grid(visible=True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_importance(axes: Axes, picture: SweepPicture) -> None:
    bars = list(picture.importances.items())[::-1]
    names, shares = [one_line(name) for name, _ in bars], [share for _, share in bars]
    axes.barh(range(len(names)), shares, color=COLORS[0])
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("importance (PED-ANOVA)")
    axes.set_xlim(0, 1)
    axes.spines[["top", "right"]].set_visible(False)


def _color(height: float) -> Any:
    """Of a trial by its rank, from 0 (the worst) to 1."""
    from matplotlib import colormaps

    return colormaps[MAP](0.1 + 0.9 * height)


def _texts(picture: SweepPicture) -> list[str]:
    labels = [label for scale in picture.scales for label in (scale.key, *scale.labels)]
    return [picture.name, picture.measure, *labels, *picture.importances]
