"""`seqlab compare`: the settings and results of runs, side by side."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from seqlab.cli import completing
from seqlab.cli.grids import Cell, Grid, fitting, plain_cell, print_grids
from seqlab.cli.options import json_option, print_json, root_option, text_or_empty
from seqlab.cli.streams import data, err
from seqlab.errors import UsageError
from seqlab.printable import cell, csv_cell, one_line

log = logging.getLogger(__name__)

BEST = "bold green"
DOUBT = "bold red"
HIDDEN = ("name", "folders", "best")  # in --json alone, or shown in another way
Row = Mapping[str, Any]


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, metavar="RUN…", shell_complete=completing.runs)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print a table in Markdown.")
@json_option
@root_option
def command(
    runs: tuple[str, ...], as_csv: bool, as_markdown: bool, as_json: bool, root: Path
) -> None:
    """Show the settings in which runs differ, and their results.

    RUN is a folder, a name (its latest run), an id's beginning, a tag, a glob such as 'jay_*', a
    folder of runs, or latest. Runs that differ only in the seed share a column: the median, ± the
    standard deviation. The best of each result has a *.
    """
    formats = {"--csv": as_csv, "--markdown": as_markdown, "--json": as_json}
    chosen = [option for option, is_chosen in formats.items() if is_chosen]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} exclude each other: choose one")
    from rich.console import Console

    from seqlab.runs.comparison import compare, distinct, warnings
    from seqlab.runs.intact import comparable_runs
    from seqlab.runs.lookup import find_runs

    opened, left_out = distinct(comparable_runs(find_runs(runs, root)))
    rows = compare(opened)
    for warning in (*left_out, *warnings(opened)):
        log.warning(warning)
    if as_json:
        print_json(rows)
    elif as_csv:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(map(csv_cell, row) for row in _table(rows))
        data(text.getvalue(), end="")
    elif as_markdown:
        _print_markdown(rows)
    elif Console().is_terminal:
        print_grids(fitting(_grid(rows), Console().width))
        _print_remarks(rows)
    else:
        for line in _table(rows):
            data("\t".join(map(cell, line)))


def _names(rows: Sequence[Row]) -> list[str]:
    """What the rows have, in order; what is said of runs comes last."""
    names = dict.fromkeys(name for row in rows for name in row if name not in HIDDEN)
    last = [name for name in ("tags", "note", "doubt") if name in names]
    return [name for name in names if name not in last] + last


def _table(rows: Sequence[Row]) -> list[list[str]]:
    """Everything as text: a line for each name, a column for each row, and which is the best."""
    header = ["name", *(row["name"] for row in rows), "best"]
    lines = [[name, *(_plain(row.get(name)) for row in rows), _best(rows, name)]
             for name in _names(rows)]  # fmt: skip
    if any(line[-1] for line in lines):
        return [header, *lines]
    return [line[:-1] for line in (header, *lines)]


def _best(rows: Sequence[Row], name: str) -> str:
    return ", ".join(row["name"] for row in rows if name in row["best"])


def _plain(value: Any) -> str:
    return ", ".join(value) if _is_texts(value) else text_or_empty(value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _print_markdown(rows: Sequence[Row]) -> None:
    """Print a table in which the best are bold."""
    header = ["name", *(row["name"] for row in rows)]
    body = [[name, *(_bold(row, name) for row in rows)] for name in _names(rows)]
    for line in (header, ["---"] * len(header), *body):
        cells = (cell(text).replace("|", "\\|") for text in line)
        data(f"| {' | '.join(cells)} |")


def _bold(row: Row, name: str) -> str:
    text = _plain(row.get(name))
    return f"**{text}**" if name in row["best"] else text


def _grid(rows: Sequence[Row]) -> Grid:
    """What a terminal shows: the spread beside the median, and ids without their time."""
    from seqlab.runs.results import SPREAD

    spread = {f"{name}: {word}" for row in rows for name in row for word in SPREAD}
    names = [name for name in _names(rows) if name not in spread and name not in ("note", "doubt")]
    if all(row["n"] == 1 for row in rows):
        names.remove("n")
    if all(row["runs"] == row["name"] for row in rows):
        names.remove("runs")
    return Grid(
        Cell(""),
        tuple(_heading(row) for row in rows),
        tuple(plain_cell(name) for name in names),
        tuple(tuple(_cell(row, name) for row in rows) for name in names),
    )


def _heading(row: Row) -> Cell:
    doubt = " ?" if row.get("doubt") else ""
    return plain_cell(row["name"] + doubt, DOUBT if doubt else "", right=True)


def _cell(row: Row, name: str) -> Cell:
    value = row.get(name)
    if name == "runs":
        ids = [Path(folder).name.rpartition("-")[2] for folder in row["folders"]]
        more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
        return plain_cell(ids[0] + more, right=True)
    if type(value) not in (int, float):
        return plain_cell(_plain(value), right=True)
    sd = row.get(f"{name}: sd")
    number = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = number if sd is None else f"{number} ± {float(f'{sd:.2g}'):g}"
    is_best = name in row["best"]
    return Cell(f"{text}{'*' if is_best else ' '}", BEST if is_best else "", solid=True, right=True)


def _print_remarks(rows: Sequence[Row]) -> None:
    """Say on stderr what the marks mean, and what is doubted."""
    if any(row["best"] for row in rows):
        err("* marks the best")
    if any(row["n"] > 1 for row in rows):
        err("± standard deviation, beside the median of n seeds")
    for row in rows:
        for word in ("note", "doubt"):
            if word in row:
                err(one_line(f"{row['name']}: {word}: {row[word]}"))
