"""Panels -> a figure of matplotlib."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seqlab.plots.fonts import families_for
from seqlab.plots.matplotlib import drawing
from seqlab.plots.series import Line, Panel
from seqlab.printable import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which people with any kind of colour vision can tell apart."""
MARKERS = "oDs^vPX"  # after all colours are used
DASHES = ("-", ":", "-.")  # of evaluated splits
FEW = 30  # points, up to which each has a mark
PANEL = (6.4, 4.0)  # inches
LONGEST = 60  # characters of a name in a legend
LARGE = 1e250
ACROSS = 2  # panels beside each other


def draw(panels: Sequence[Panel]) -> Figure:
    """Return a figure with a panel for each metric; its title is the name of the only group.

    Colours tell groups apart, dashes splits; a band reaches from the least to the most of several
    runs, and the line is their median. Equal panels give equal bytes in a file.

    Raises:
        UsageError: matplotlib is not installed.
    """
    with drawing():
        families, missing = families_for(_texts(panels))
    if missing:
        log.warning(
            "No font on this machine has '%s', so boxes take their place; a font such as Noto Sans"
            " CJK has them (Debian: apt install fonts-noto-cjk)", one_line(missing[:20])
        )  # fmt: skip
    for notice in dict.fromkeys(notice for panel in panels for notice in panel.notices):
        log.warning(notice)
    with drawing(*families):
        return _drawn(panels)


def _drawn(panels: Sequence[Panel]) -> Figure:
    from seqlab.plots.shown import ShownFigure

    columns = min(ACROSS, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = ShownFigure(figsize=(PANEL[0] * columns, PANEL[1] * rows), layout="constrained")
    names = dict.fromkeys(line.name for panel in panels for line in panel.lines)
    if len(names) == 1:
        figure.suptitle(_shortened(*names))
    look = _Look.of(panels)
    explained: set[str] = set()
    for place, panel in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, place)
        _draw_panel(axes, panel, look)
        explained |= _explain(axes, panel, look, explained)
    return figure


@dataclass(frozen=True)
class _Look:
    """The names, which have colours, and the splits, which have dashes: the same in all panels."""

    names: tuple[str, ...]
    splits: tuple[str, ...]

    @classmethod
    def of(cls, panels: Sequence[Panel]) -> _Look:
        lines = [line for panel in panels for line in panel.lines]
        splits = dict.fromkeys(line.split for line in lines if line.split != "train")
        return cls(tuple(dict.fromkeys(line.name for line in lines)), tuple(splits))

    def dashes(self, split: str) -> str:
        """None for the first evaluated split, long ones for training beside it."""
        if split == "train":
            return "--" if self.splits else "-"
        return DASHES[self.splits.index(split) % len(DASHES)]


def _draw_panel(axes: Axes, panel: Panel, look: _Look) -> None:
    for line in panel.lines:
        _draw_line(axes, line, look)
    if any(y > LARGE for line in panel.lines for y in line.high):
        axes.margins(y=0)  # there are no numbers for a margin
    for name in panel.axes.log:
        _make_logarithmic(axes, name)
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    axes.grid(visible=True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _explain(axes: Axes, panel: Panel, look: _Look, explained: set[str]) -> set[str]:
    """Say what the lines are, unless other panels have; return what was said."""
    labels = [_label(line, len(look.names)) for line in panel.lines]
    if explained.issuperset(labels):
        return set()
    if len(labels) == 1 and panel.lines[0].runs == 1:
        axes.set_title(labels[0])
        return set()
    axes.legend(axes.get_lines(), labels, frameon=False)
    return {*labels}


def _make_logarithmic(axes: Axes, name: str) -> None:
    """Numbers stay as people write them: 20, not 2 × 10¹."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    axes.set(**{f"{name}scale": "log"})
    axis = axes.xaxis if name == "x" else axes.yaxis
    axis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axis.set_major_formatter(plain)
    axis.set_minor_formatter(plain)


def _draw_line(axes: Axes, line: Line, look: _Look) -> None:
    color = look.names.index(line.name)
    shade = COLORS[color % len(COLORS)]
    style: dict[str, Any] = {"color": shade, "linestyle": look.dashes(line.split)}
    if color >= len(COLORS) or line.points <= FEW:
        style["marker"] = MARKERS[color // len(COLORS) % len(MARKERS)]
        style["markersize"] = 3
        style["markevery"] = max(len(line.x) // FEW, 1)
    if line.runs > 1:
        axes.fill_between(line.x, line.low, line.high, color=shade, alpha=0.2, linewidth=0)
    axes.plot(line.x, line.middle, linewidth=1.5, **style)


def _label(line: Line, names: int) -> str:
    """What a legend says of a line; a leading underscore would hide it."""
    name = _shortened(line.name) if names > 1 else ""
    shown = ", ".join(part for part in (name, one_line(line.split)) if part)
    seeds = f" (median of {line.runs})" if line.runs > 1 else ""
    return f"{' ' if shown.startswith('_') else ''}{shown}{seeds}"


def _shortened(name: str) -> str:
    shown = one_line(name)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def _texts(panels: Sequence[Panel]) -> list[str]:
    lines = [line for panel in panels for line in panel.lines]
    labels = [panel.x_label + panel.y_label for panel in panels]
    return [*labels, *(line.name + line.split for line in lines)]
