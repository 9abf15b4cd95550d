"""`seqlab compare`: runs side by side."""

from __future__ import annotations

import csv
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from seqlab.cli.options import json_option, print_json, print_table, root_option

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
    from seqlab.runs.comparing import compare, warnings
    from seqlab.runs.opened import open_run

    opened = [open_run(run, root=root) for run in dict.fromkeys(runs)]
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
        csv.writer(sys.stdout, lineterminator="\n").writerows(table)
    elif as_markdown:
        _print_markdown(header, body)
    else:
        print_table(header, body)


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def _print_markdown(header: Sequence[str], body: Sequence[Sequence[str]]) -> None:
    rule = ["---"] * len(header)
    for row in (header, rule, *body):
        cells = (cell.replace("|", "\\|") for cell in row)
        click.echo(f"| {' | '.join(cells)} |")
