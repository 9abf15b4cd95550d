"""`seqlab explain`: the value of a key, its origin, and its reader."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seqlab.cli import completing
from seqlab.cli.options import (
    PATH,
    PluginChoice,
    json_option,
    plugin_options,
    print_json,
    print_table,
    set_option,
    yaml_text,
)
from seqlab.cli.streams import is_terminal, out
from seqlab.printable import one_line

if TYPE_CHECKING:
    from seqlab.registry.explanation import Explanation


@click.command("explain")
@click.argument("file", type=PATH, shell_complete=completing.experiments)
@click.argument("key", required=False, shell_complete=completing.keys)
@set_option("cell=lstm")
@json_option
@plugin_options
def command(
    file: Path, key: str | None, overrides: tuple[str, ...], as_json: bool, plugins: PluginChoice
) -> None:
    """Explain KEY, such as optimizer.lr, or all keys: the value, its origin, and its reader.

    KEY may lead into components of components (cell.layers.0.hidden_size) and into values
    (samples.prefixes.0). Of a component, a mapping or a section, all that is inside is listed.
    """
    from seqlab.experiment import read_experiment
    from seqlab.registry import resolve
    from seqlab.registry.explained_keys import explain_key
    from seqlab.registry.explanation import explain

    registry = plugins.know()
    experiment = read_experiment(file, overrides)
    rows = explain(experiment, resolve(experiment, registry), registry)
    if key:
        rows = explain_key(rows, key, experiment.tree)
    if as_json:
        print_json([vars(row) for row in rows])
    elif len(rows) == 1:
        _print_details(rows[0])
    else:
        table = [(row.key, yaml_text(row.value), _shown_origin(row)) for row in rows]
        print_table(("key", "value", "from"), table)


def _shown_origin(row: Explanation) -> str:
    """Where a value comes from; a terminal has no place for where the default of each is."""
    is_default = row.origin.startswith("default in ")
    return "default" if is_default and is_terminal(sys.stdout) else row.origin


def _print_details(row: Explanation) -> None:
    kind = row.type + (f", {row.bounds}" if row.bounds else "")
    lines = {"value": yaml_text(row.value), "from": row.origin, "read by": row.read_by}
    lines |= {"type": kind, "is given": row.given, "what it is": row.help}
    out(one_line(row.key))
    for label, text in lines.items():
        if text:
            out(f"  {label:<10}  {one_line(text)}")
