"""`seqlab sweep status`: the trials of a sweep, and which options matter."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from seqlab.cli.options import json_option, print_json, print_table, root_option, text_or_empty
from seqlab.cli.streams import data, err, out
from seqlab.errors import UsageError
from seqlab.printable import cell, csv_cell, one_line

if TYPE_CHECKING:
    from seqlab.sweeps.results import SweepResults

OPTIONAL = ("rows", "reason", "runs")  # the first to go where a terminal is narrow


def _sweeps(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Names of sweeps, for a shell."""
    root = Path(context.params.get("root") or "runs")
    names = (file.parent.name for file in sorted(root.glob("*/sweep.json")))
    return [CompletionItem(name, help="a sweep") for name in names if name.startswith(begun)]


@click.command("status")
@click.argument("name", shell_complete=_sweeps)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print tables in Markdown.")
@json_option
@root_option
def status(name: str, as_csv: bool, as_markdown: bool, as_json: bool, root: Path) -> None:
    """Show the trials of sweep NAME, the best first, and the importance of each option.

    It reads the folders of runs alone, so it can be asked while the sweep is running, and where its
    storage cannot be reached. Importance is the share of what tells good trials from others that is
    due to an option (PED-ANOVA).
    """
    formats = {"--csv": as_csv, "--markdown": as_markdown, "--json": as_json}
    chosen = [option for option, is_chosen in formats.items() if is_chosen]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} exclude each other: choose one")
    from seqlab.sweeps.folder import find_sweep
    from seqlab.sweeps.results import SweepResults

    results = SweepResults.read(find_sweep(name, root))
    if as_json:
        print_json(_everything(results))
    elif as_csv:
        text = io.StringIO()
        lines = [_columns(results), *map(_texts, results.rows())]
        csv.writer(text, lineterminator="\n").writerows(map(csv_cell, line) for line in lines)
        data(text.getvalue(), end="")
    elif as_markdown:
        _print_markdown(_columns(results), [_texts(row) for row in results.rows()])
        if found := results.importances():
            data("")
            _print_markdown(["option", "importance"], _shares(found))
    else:
        _print(results)


def _everything(results: SweepResults) -> dict[str, Any]:
    best = results.best
    return {
        "sweep": results.description["name"],
        "metric": vars(results.metric),
        "direction": "minimize" if results.minimizes else "maximize",
        "counts": results.counts(),
        "best": None if best is None else best.number,
        "importances": results.importances(),
        "trials": results.rows(),
    }


def _print(results: SweepResults) -> None:
    rows = results.rows()
    counts = ", ".join(f"{count} {state}" for state, count in results.counts().items())
    if rows:
        print_table(_columns(results), [_texts(row) for row in rows], OPTIONAL[::-1])
    found = results.importances()
    if found:
        print_table(("option", "importance"), _shares(found))
    metric = results.metric
    err(one_line(f"value is {metric.split} {metric.name}, {metric.take} of a run"))
    out(one_line(counts))


def _columns(results: SweepResults) -> list[str]:
    keys = dict.fromkeys(dimension.key for dimension in results.dimensions)
    return ["trial", "status", "value", *keys, "rows", "reason", "runs"]


def _texts(row: Mapping[str, Any]) -> list[str]:
    return [_text(value) for value in row.values()]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:.6g}" if isinstance(value, float) else text_or_empty(value)


def _shares(importances: Mapping[str, float]) -> list[list[str]]:
    return [[name, f"{share:.1%}"] for name, share in importances.items()]


def _print_markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for line in (columns, ["---"] * len(columns), *rows):
        cells = (cell(text).replace("|", "\\|") for text in line)
        data(f"| {' | '.join(cells)} |")
