"""`seqlab validate`: every complaint about experiment files, and no training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seqlab.cli.options import PATH, PluginChoice, plugin_options
from seqlab.cli.streams import err, out
from seqlab.printable import one_line

if TYPE_CHECKING:
    from seqlab.experiment import Experiment
    from seqlab.registry import Registry


@click.command("validate")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value: cell=lstm."
)
@click.option("--quick", is_flag=True, help="Look at names and options alone; build nothing.")
@plugin_options
@click.pass_context
def command(
    context: click.Context,
    files: tuple[Path, ...],
    overrides: tuple[str, ...],
    quick: bool,
    plugins: PluginChoice,
) -> None:
    """Check experiment files: names, options, types, bounds, and all that their parts refuse.

    Every part is built, in no more room than its shapes need; of each split at most a mebibyte is
    read. Nothing is trained, and nothing is downloaded.
    """
    registry = plugins.load()
    codes = [_validated(file, overrides, quick, registry) for file in files]
    context.exit(max(codes, default=0))


def _validated(file: Path, overrides: tuple[str, ...], quick: bool, registry: Registry) -> int:
    """Say everything of one file; return the exit code that it means."""
    from seqlab.errors import ExperimentError
    from seqlab.experiment import read_experiment

    try:
        experiment = read_experiment(file, overrides)
        notices, lines, code = _looked_at(experiment, quick, registry)
    except ExperimentError as error:
        notices, lines, code = (), error.lines, error.exit_code
    for line in lines:
        err(one_line(line))
    if not code:
        out(one_line(f"{file}: is valid"))
    for notice in notices:
        err(one_line(f"{file}: {notice}"))
    return code


def _looked_at(
    experiment: Experiment, quick: bool, registry: Registry
) -> tuple[Sequence[str], Sequence[str], int]:
    """Notices, complaints, and the exit code that they mean."""
    if quick:
        from seqlab.registry import resolve

        return resolve(experiment, registry).notices, (), 0
    from seqlab.offline import offline
    from seqlab.runs.dry_run import validate

    with offline():
        found = validate(experiment, registry)
    return found.notices, found.all_lines(), found.exit_code
