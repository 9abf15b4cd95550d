"""`seqlab generate`: prefixes in, text out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from seqlab.cli.options import PluginChoice, json_option, plugin_options, print_json, root_option


@click.command("generate")
@click.argument("run")
@click.option(
    "--prefix", "prefixes", multiple=True, required=True, help="What to continue; may be repeated."
)
@click.option(
    "--length",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Tokens to generate after each prefix.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="For decoders that draw.")
@json_option
@root_option
@plugin_options
def command(
    run: str,
    prefixes: tuple[str, ...],
    length: int,
    seed: int,
    as_json: bool,
    root: Path,
    plugins: PluginChoice,
) -> None:
    """Continue prefixes with the model of RUN.

    RUN is a folder, a name (its latest run), the beginning of an id, or `latest`.
    """
    from seqlab.runs.folder import find_run
    from seqlab.runs.opened import open_run

    find_run(run, root)  # a misspelt run is told before plugins are loaded
    opened = open_run(run, root=root, registry=plugins.load())
    results = opened.generate(prefixes, length=length, seed=seed)
    if as_json:
        print_json([asdict(result) for result in results])
    else:
        for result in results:
            click.echo(result.text)
