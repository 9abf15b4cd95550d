"""`seqlab resume`: a run goes on."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from seqlab.cli.options import PluginChoice, Whole, plugin_options, root_option

log = logging.getLogger(__name__)


@click.command("resume")
@click.argument("run")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Such as train.epochs=500."
)
@click.option(
    "--checkpoint",
    type=Whole(0, 2**63 - 1),
    metavar="STEP",
    help="Go on from this one, not the latest.",
)
@root_option
@plugin_options
def command(
    run: str,
    overrides: tuple[str, ...],
    checkpoint: int | None,
    root: Path,
    plugins: PluginChoice,
) -> None:
    """Go on with RUN from its latest checkpoint that is whole.

    RUN is a folder, a name (its latest run), the beginning of an id, or `latest`. A run that has
    all of its steps is extended with --set train.epochs=N.
    """
    from seqlab.runs.lock import locked
    from seqlab.runs.lookup import find_run

    folder = find_run(run, root)
    folder.check_kinds()
    with locked(folder.path):  # told before torch and plugins are imported
        pass
    from seqlab.cli.progress_bars import reading_bar
    from seqlab.runs.resuming import resume

    finished = resume(
        folder.path,
        overrides=overrides,
        checkpoint=checkpoint,
        registry=plugins.load(),
        progress=reading_bar(),
    )
    log.info("The run is in %s", finished.path)
