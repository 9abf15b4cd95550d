"""`seqlab compare`: the settings and results of runs, side by side."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Sequence
from pathlib import Path

import click

from seqlab.cli.options import json_option, print_json, print_table, root_option, text_or_empty
from seqlab.cli.streams import data
from seqlab.errors import UsageError
from seqlab.printable import cell, csv_cell

log = logging.getLogger(__name__)


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, metavar="RUN…")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print a table in Markdown.")
@json_option
@root_option
def command(
    runs: tuple[str, ...], as_csv: bool, as_markdown: bool, as_json: bool, root: Path
) -> None:
    """Show the settings in which runs differ, and their results.

    Runs that differ only in the seed share a column: n, median, worst, mean ± sd.
    """
    formats = {"--csv": as_csv, "--markdown": as_markdown, "--json": as_json}
    chosen = [option for option, is_chosen in formats.items() if is_chosen]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} exclude each other: choose one")
    from seqlab.runs.comparison import compare, distinct, warnings
    from seqlab.runs.loaded_run import open_run

    opened, left_out = distinct([open_run(run, root=root) for run in runs])
    rows = compare(opened)
    for warning in (*left_out, *warnings(opened)):
        log.warning(warning)
    if as_json:
        print_json(rows)
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = [[name, *(text_or_empty(row.get(name)) for row in rows)] for name in names]
    header, *body = table
    if as_csv:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(map(csv_cell, row) for row in table)
        data(text.getvalue(), end="")
    elif as_markdown:
        _print_markdown(header, body)
    else:
        print_table(header, body)


def _print_markdown(header: Sequence[str], body: Sequence[Sequence[str]]) -> None:
    rule = ["---"] * len(header)
    for row in (header, rule, *body):
        cells = (cell(text).replace("|", "\\|") for text in row)
        data(f"| {' | '.join(cells)} |")
