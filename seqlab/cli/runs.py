"""`seqlab runs`: a table of runs, and what may be done to them without training."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqlab.cli import completing
from seqlab.cli.grids import Cell, Grid, plain_cell, print_grids
from seqlab.cli.options import json_option, print_json, root_option, text_or_empty
from seqlab.cli.runs_changes import note, rm, tag
from seqlab.cli.streams import data, err
from seqlab.printable import cell, one_line

if TYPE_CHECKING:
    from seqlab.runs.listing import ListedRun

log = logging.getLogger(__name__)

PIPED = (
    *("run", "id", "status", "step", "best", "metric", "split", "differs", "tags", "note"),
    *("doubt", "corpus", "seed", "started", "folder"),
)
SHOWN = ("run", "id", "differs", "status", "age", "step", "best", "of", "tags", "note")
LEFT_OUT_FIRST = ("note", "of", "step")
LEFT_OUT_LAST = ("tags", "age", "differs")
LONGEST = (40, 28, 18)  # columns, of what differs and of a note, on ever narrower terminals
STYLES = {
    "finished": "green",
    "running": "cyan",
    "stopped": "yellow",
    "pruned": "yellow",
    "interrupted": "yellow",
    "killed": "red",
    "failed": "bold red",
    "damaged": "bold red",
}


class RunsGroup(click.Group):
    """Lists runs unless its first argument is the name of a command."""

    default = "list"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_help = bool(args) and args[0] in ctx.help_option_names
        if not (args and args[0] in self.commands) and not is_help:
            args = [self.default, *args]
        return super().parse_args(ctx, args)


@click.group("runs", cls=RunsGroup)
def command() -> None:
    """List runs; remove, tag and annotate them.

    `seqlab runs [RUN…]` is short for `seqlab runs list [RUN…]`. A run that has the name of one of
    the commands below is listed by `seqlab runs list NAME`. Options, such as --where and --sort,
    are those of `seqlab runs list --help`.
    """


@command.command("list")
@click.argument("patterns", nargs=-1, metavar="[RUN…]", shell_complete=completing.runs_or_commands)
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="CONDITION",
    shell_complete=completing.conditions,
    help="Only runs for which it holds, such as cell=gru, status!=finished, 'best<20', tag=x.",
)
@click.option(
    "--sort",
    metavar="KEY",
    shell_complete=completing.orders,
    help="Order by a column or a setting; -KEY: reversed.",
)
@json_option
@root_option
def list_command(
    patterns: tuple[str, ...], conditions: tuple[str, ...], sort: str | None, as_json: bool,
    root: Path,
) -> None:  # fmt: skip
    """List runs, the oldest first: all, or those that are given.

    RUN is a folder, a name (its latest run), an id's beginning, a tag, a glob such as 'jay_*', a
    folder of runs, or latest. `best` is the lowest perplexity (or loss) of the evaluated split, or
    of training where none is evaluated. A red ? says that the results are in doubt.
    """
    from seqlab.runs.listing import list_runs
    from seqlab.runs.lookup import all_runs, find_runs
    from seqlab.runs.selecting import in_order, parse_condition, selected

    wanted = [parse_condition(text) for text in conditions]
    runs = list_runs(find_runs(patterns, root) if patterns else all_runs(root))
    for run in runs:
        if run.problem:
            log.warning("%s", run.problem)
    is_empty = not runs
    runs = selected(runs, wanted)
    _show(in_order(runs, sort) if sort else runs, as_json)
    if not (runs or as_json):
        none = f"There are no runs under {root}/"
        err(one_line(none if is_empty else f"No run is {' and '.join(map(str, wanted))}"))


def _show(runs: Sequence[ListedRun], as_json: bool) -> None:
    from rich.console import Console

    from seqlab.runs.listing import differences

    rows = [
        {**run.row, "differs": differs, "problem": run.problem or None}
        for run, differs in zip(runs, differences(runs), strict=True)
    ]
    if as_json:
        print_json(rows)
    elif rows and Console().is_terminal:
        _print_on_terminal(rows, Console().width)
    elif rows:
        for line in (PIPED, *([_plain(row[name]) for name in PIPED] for row in rows)):
            data("\t".join(map(cell, line)))


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return _in_words(value)
    return ", ".join(value) if isinstance(value, list) else text_or_empty(value)


def _in_words(differs: Mapping[str, Any]) -> str:
    from seqlab.runs.settings import in_words

    return in_words(differs, list(differs))


def _print_on_terminal(rows: Sequence[Mapping[str, Any]], width: int) -> None:
    for longest in LONGEST:
        cells = {name: [_cell(row, name, longest) for row in rows] for name in SHOWN}
        names = [name for name in SHOWN if any(part.text for part in cells[name])]
        _leave_out(LEFT_OUT_FIRST, cells, names, width)
        if _grid(cells, names).fits_unfolded(width):
            break
    _leave_out(LEFT_OUT_LAST, cells, names, width)
    print_grids([_grid(cells, names)])
    left_out = [name for name in SHOWN if name not in names and any(c.text for c in cells[name])]
    if left_out:
        err(f"The terminal is too narrow for: {', '.join(left_out)} (--json has all)")


def _leave_out(
    order: Sequence[str], cells: Mapping[str, Sequence[Cell]], names: list[str], width: int
) -> None:
    """Take columns away, one by one, until the others fit."""
    for name in order:
        if name in names and not _grid(cells, names).fits_unfolded(width):
            names.remove(name)


def _grid(cells: Mapping[str, Sequence[Cell]], names: Sequence[str]) -> Grid:
    first, *others = names
    headings = tuple(Cell(name, right=cells[name][0].right) for name in others)
    rows = tuple(zip(*(cells[name] for name in others), strict=True))
    return Grid(Cell(first), headings, tuple(cells[first]), rows)


def _cell(row: Mapping[str, Any], name: str, longest: int) -> Cell:
    """A cell of the table on a terminal."""
    if name == "status":
        return _status(row)
    if name == "age":
        return Cell(_age(row["age"]), solid=True, right=True)
    if name == "of":
        return plain_cell(" ".join(filter(None, (row["split"], row["metric"]))))
    value = row[name]
    if name in ("step", "best"):
        text = f"{value:.6g}" if isinstance(value, float) else text_or_empty(value)
        return Cell(text, solid=True, right=True)
    if name in ("run", "id"):
        return Cell(cell(value), longest_word=8)
    is_long = name in ("differs", "note")
    return plain_cell(_cut(_plain(value), longest) if is_long else _plain(value))


def _status(row: Mapping[str, Any]) -> Cell:
    status = row["status"]
    if row["doubt"]:
        return Cell(f"{status} ?", "bold red", solid=True)
    return Cell(status, STYLES[status], solid=True)


def _age(seconds: float | None) -> str:
    from seqlab.runs.listing import age_in_words

    return "" if seconds is None else age_in_words(seconds)


def _cut(text: str, longest: int) -> str:
    """The beginning of a text that is long."""
    from rich.cells import cell_len, chop_cells

    line = one_line(text)
    return line if cell_len(line) <= longest else f"{chop_cells(line, longest - 1)[0]}…"


for _command in (rm, tag, note):
    command.add_command(_command)
