"""`seqlab resume`: continue a run."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from seqlab.cli.options import PluginChoice, Whole, plugin_options, root_option, set_option

log = logging.getLogger(__name__)


@click.command("resume")
@click.argument("run")
@set_option("train.epochs=500")
@click.option(
    "--checkpoint",
    type=Whole(0, 2**63 - 1),
    metavar="STEP",
    help="Continue from this step, not the latest.",
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
    """Continue RUN from its latest undamaged checkpoint.

    RUN is a folder, a name (its latest run), a tag, the beginning of an id, or `latest`. To extend
    a finished run, add --set train.epochs=N.
    """
    from seqlab.runs.lock import locked
    from seqlab.runs.lookup import find_run

    folder = find_run(run, root)
    folder.check_kinds()
    with locked(folder.path):  # refuse before torch and plugins are imported
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
