"""`seqlab explain`: what a key is, where it comes from, who reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seqlab.cli.options import (
    PATH,
    PluginChoice,
    json_option,
    plugin_options,
    print_json,
    print_table,
)
from seqlab.cli.streams import out
from seqlab.printable import one_line

if TYPE_CHECKING:
    from seqlab.registry.explanation import Explanation


@click.command("explain")
@click.argument("file", type=PATH)
@click.argument("key", required=False)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value: cell=lstm."
)
@json_option
@plugin_options
def command(
    file: Path, key: str | None, overrides: tuple[str, ...], as_json: bool, plugins: PluginChoice
) -> None:
    """Say of KEY (optimizer.lr; or of all keys) its value, where it comes from, who reads it."""
    from seqlab.experiment import read_experiment
    from seqlab.registry import resolve
    from seqlab.registry.explanation import explain, explain_key

    registry = plugins.load()
    experiment = read_experiment(file, overrides)
    found = explain(experiment, resolve(experiment, registry), registry)
    chosen = explain_key(found, key) if key else found
    if as_json:
        print_json([vars(one) for one in chosen])
    elif len(chosen) == 1:
        _print_one(chosen[0])
    else:
        print_table(("key", "value", "from"), [(c.key, _shown(c.value), c.origin) for c in chosen])


def _print_one(one: Explanation) -> None:
    kind = one.type + (f", {one.bounds}" if one.bounds else "")
    lines = {"value": _shown(one.value), "from": one.origin, "read by": one.read_by}
    lines |= {"type": kind, "what it is": one.help}
    out(one_line(one.key))
    for label, text in lines.items():
        if text:
            out(f"  {label:<10}  {one_line(text)}")


def _shown(value: Any) -> str:
    from seqlab.experiment.yaml12 import dump_flow

    return dump_flow(value)
