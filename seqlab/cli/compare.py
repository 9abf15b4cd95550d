"""`seqlab compare`: runs side by side."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from seqlab.cli.options import json_option, print_json, print_table, root_option
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
    """Show in which settings runs differ and what they reached.

    Runs that differ in the seed alone are one column: n, median, worst, mean ± sd.
    """
    _expect_one_form(**{"--csv": as_csv, "--markdown": as_markdown, "--json": as_json})
    from seqlab.runs.comparison import compare, distinct, warnings
    from seqlab.runs.loaded_run import open_run

    opened, left_out = distinct([open_run(run, root=root) for run in runs])
    for said in left_out:
        log.warning(said)
    rows = compare(opened)
    for warning in warnings(opened):
        log.warning(warning)
    if as_json:
        print_json(rows)
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = [[name, *(_shown(row.get(name)) for row in rows)] for name in names]
    header, *body = table
    if as_csv:
        rows_of_text = io.StringIO()
        csv.writer(rows_of_text, lineterminator="\n").writerows(map(csv_cell, row) for row in table)
        data(rows_of_text.getvalue(), end="")
    elif as_markdown:
        _print_markdown(header, body)
    else:
        print_table(header, body)


def _expect_one_form(**wanted: bool) -> None:
    said = [name for name, is_wanted in wanted.items() if is_wanted]
    if len(said) > 1:
        raise UsageError(f"{' and '.join(said)} are forms of one table: choose one")


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def _print_markdown(header: Sequence[str], body: Sequence[Sequence[str]]) -> None:
    rule = ["---"] * len(header)
    for row in (header, rule, *body):
        cells = (cell(text).replace("|", "\\|") for text in row)
        data(f"| {' | '.join(cells)} |")
