"""`seqlab validate`: every complaint about experiment files, and no training."""

from __future__ import annotations

from pathlib import Path

import click

from seqlab.cli.options import PATH, PluginChoice, plugin_options
from seqlab.cli.streams import err, out
from seqlab.visible import one_line


@click.command("validate")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value: cell=lstm."
)
@plugin_options
@click.pass_context
def command(
    context: click.Context,
    files: tuple[Path, ...],
    overrides: tuple[str, ...],
    plugins: PluginChoice,
) -> None:
    """Check experiment files: names, options, types and bounds. Nothing is trained."""
    from seqlab.errors import ExperimentError
    from seqlab.experiment import read_experiment
    from seqlab.registry import resolve

    registry = plugins.load()
    codes = []
    for file in files:
        try:
            resolved = resolve(read_experiment(file, overrides), registry)
        except ExperimentError as error:
            err("\n".join(map(one_line, error.lines)))
            codes.append(error.exit_code)
            continue
        out(one_line(f"{file}: is valid"))
        for notice in resolved.notices:
            err(one_line(f"{file}: {notice}"))
    context.exit(max(codes, default=0))
