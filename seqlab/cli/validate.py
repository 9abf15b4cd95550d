"""`seqlab validate`: report all mistakes of experiment files without training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seqlab.cli import colors, completing
from seqlab.cli.options import PATH, PluginChoice, plugin_options, set_option
from seqlab.cli.streams import err, out
from seqlab.printable import one_line

if TYPE_CHECKING:
    from seqlab.experiment import Experiment
    from seqlab.registry import Registry


@click.command("validate")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=PATH,
    metavar="FILE…",
    shell_complete=completing.experiments,
)
@set_option("cell=lstm")
@click.option(
    "--quick",
    is_flag=True,
    help="Check names, options, types and bounds only: nothing is built, no corpus is looked for.",
)
@plugin_options
@click.pass_context
def command(
    context: click.Context,
    files: tuple[Path, ...],
    overrides: tuple[str, ...],
    quick: bool,
    plugins: PluginChoice,
) -> None:
    """Check experiment files: names, options, types, bounds, and what their components refuse.

    Every component is built, without memory for its weights; at most a mebibyte of each split is
    read. Nothing is trained or downloaded.

    --quick takes a third of a second. It leaves out what a component refuses when it is built,
    whether files and corpora are there, and whether the text is enough for the sampler.
    """
    registry = plugins.know()
    codes = [_validate(file, overrides, registry, None if quick else plugins) for file in files]
    context.exit(max(codes, default=0))


def _validate(
    file: Path, overrides: tuple[str, ...], registry: Registry, plugins: PluginChoice | None
) -> int:
    """Print what is wrong with a file; return the exit code."""
    from seqlab.errors import ExperimentError
    from seqlab.experiment import read_experiment

    try:
        experiment = read_experiment(file, overrides)
        notices, lines, code = _check(experiment, registry, plugins)
    except ExperimentError as error:
        notices, lines, code = (), error.lines, error.exit_code
    for line in lines:
        err(one_line(line), paint=colors.complaint)
    if not code:
        out(one_line(f"{file}: is valid"), paint=colors.valid)
    for notice in notices:
        err(one_line(f"{file}: {notice}"))
    return code


def _check(
    experiment: Experiment, registry: Registry, plugins: PluginChoice | None
) -> tuple[Sequence[str], Sequence[str], int]:
    """Notices, complaints, and the exit code; `plugins` has what is built (None: nothing)."""
    from seqlab.registry import resolve, resolve_partially

    if plugins is None:
        return resolve(experiment, registry).notices, (), 0
    from seqlab.offline import offline
    from seqlab.runs.dry_run import validate

    resolved, _ = resolve_partially(experiment, registry)
    with offline():
        used = plugins.know(warn=False, imported=resolved.used())
        report = validate(experiment, used)
    return report.notices, report.all_lines(), report.exit_code
