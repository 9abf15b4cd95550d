"""`seqlab plot`: draw the metrics of runs, into a file or on the terminal."""

from __future__ import annotations

import logging
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqlab.cli import completing
from seqlab.cli.drawing import check_dots, width_of_terminal
from seqlab.cli.loading import loading
from seqlab.cli.options import PATH, Whole, json_option, print_json, root_option
from seqlab.cli.plot_sweep import print_sweep
from seqlab.cli.streams import data, err, has_colors
from seqlab.errors import UsageError
from seqlab.printable import one_line, shown_path

if TYPE_CHECKING:
    from seqlab.plots.series import Panel
    from seqlab.runs.folder import RunFolder

log = logging.getLogger(__name__)

_XS, _LOGS = ("step", "epoch", "tokens", "time"), ("x", "y", "xy")


@click.command("plot")
@click.argument("runs", nargs=-1, required=True, metavar="RUN…", shell_complete=completing.runs)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="What to draw, or all; repeatable. Default: perplexity, or else loss.",
)
@click.option("--x", type=click.Choice(_XS), default="step", show_default=True, help="By what.")
@click.option("--log", "logarithmic", type=click.Choice(_LOGS), help="Logarithmic axes.")
@click.option(
    "--smooth",
    type=Whole(1, 1_000_000),
    default=1,
    metavar="N",
    help="Each point is the mean of N rows.",
)
@click.option(
    "--out", type=PATH, metavar="FILE", help="Write .png, .svg or .pdf. Default: the terminal."
)
@json_option
@root_option
def command(
    runs: tuple[str, ...],
    metrics: tuple[str, ...],
    x: str,
    logarithmic: str | None,
    smooth: int,
    out: Path | None,
    as_json: bool,
    root: Path,
) -> None:
    """Draw the metrics of runs: in the terminal, or into FILE.

    RUN is a folder, a name (its latest run), an id's beginning, a tag, a glob such as 'jay_*', a
    folder of runs, or latest. Runs that differ only in the seed are one line: their median, in a
    band from the least to the most.

    Of a sweep alone, by its name, it draws parallel coordinates, the value by each option and the
    importance of each (in the terminal without the first); with --metric, the curves of its runs.
    """
    if out is not None and as_json:
        raise UsageError("--out and --json exclude each other: choose one")
    from seqlab.plots.saving import check_format
    from seqlab.runs.folder import folder_of_name
    from seqlab.runs.lookup import find_runs, is_sweep

    if out is not None:
        check_format(out)
    if len(runs) == 1 and not metrics and is_sweep(folder_of_name(runs[0], root)):
        print_sweep(runs[0], out, as_json, root)
        return
    shown = loading(f"drawing {' '.join(runs)}")
    folders = find_runs(runs, root)
    shown("Importing torch")
    drawn = _panels(folders, metrics, x, logarithmic or "", smooth)
    shown.close()
    if out is not None:
        _write(drawn, out)
        return
    for notice in dict.fromkeys(notice for panel in drawn for notice in panel.notices):
        log.warning(notice)
    if as_json:
        print_json([_plain(asdict(panel)) for panel in drawn])
    else:
        _print(drawn)


def _panels(
    folders: list[RunFolder], metrics: tuple[str, ...], x: str, logarithmic: str, smooth: int
) -> list[Panel]:
    from seqlab.plots.axes import Axes
    from seqlab.plots.series import panels
    from seqlab.runs.comparison import distinct, series
    from seqlab.runs.intact import comparable_runs

    opened, left_out = distinct(comparable_runs(folders))
    for notice in left_out:
        log.warning(notice)
    return panels(series(opened), metrics, Axes(x, logarithmic, smooth))


def _write(drawn: list[Panel], path: Path) -> None:
    from seqlab.plots.figure import draw
    from seqlab.plots.saving import save

    save(draw(drawn), path)
    err(f"seqlab: wrote {one_line(shown_path(path))}")


def _plain(value: Any) -> Any:
    """A value as JSON has it: a gap is null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print(drawn: list[Panel]) -> None:
    """Print on the terminal, or at 80 columns where there is none."""
    from seqlab.plots.terminal import text_of

    check_dots()
    data(text_of(drawn, width_of_terminal(), colored=has_colors(sys.stdout)))
