"""`seqlab runs`: a table of all runs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqlab.cli.options import json_option, print_json, print_table, root_option
from seqlab.cli.streams import err
from seqlab.errors import SeqlabError
from seqlab.printable import one_line
from seqlab.runs.lock import in_use

if TYPE_CHECKING:
    from seqlab.runs.folder import RunFolder

log = logging.getLogger(__name__)

COLUMNS = ("run", "id", "status", "step", "perplexity", "corpus", "seed", "started")
OPTIONAL_COLUMNS = ("started", "seed", "corpus", "step")


@click.command("runs")
@json_option
@root_option
def command(as_json: bool, root: Path) -> None:
    """List all runs, the oldest first."""
    from seqlab.runs.lookup import all_runs

    rows = [_row(folder) for folder in all_runs(root)]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(
            COLUMNS, [tuple(row[column] for column in COLUMNS) for row in rows], OPTIONAL_COLUMNS
        )
    else:
        err(one_line(f"There are no runs under {root}/"))


def _row(folder: RunFolder) -> dict[str, Any]:
    """One run, which is listed as damaged if it cannot be read."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"run": folder.name, "id": folder.path.name.rpartition("-")[2]}
    try:
        known = folder.description()
        row |= {key: known[key] for key in ("status", "step", "seed", "started")}
        if row["status"] == "running" and not in_use(folder.path):
            row["status"] = "killed"
        return row | {"corpus": known["corpus"]["name"], "perplexity": _last_perplexity(folder)}
    except SeqlabError as error:
        log.warning("%s", error)
        return row | {"status": "damaged"}


def _last_perplexity(folder: RunFolder) -> float | None:
    last = folder.last_metrics_row()
    value = last["perplexity"] if last else None
    return None if value is None else round(value, 6)
