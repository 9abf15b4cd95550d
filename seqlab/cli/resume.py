"""`seqlab resume`: continue a run."""

from __future__ import annotations

from pathlib import Path

import click

from seqlab.cli import completing
from seqlab.cli.ending import fail_if_doubtful, say_where, strict_option
from seqlab.cli.loading import loading
from seqlab.cli.options import PluginChoice, Whole, plugin_options, root_option, set_option
from seqlab.cli.workers import is_launcher, launch_workers, workers_options
from seqlab.distributed.launched import is_follower


@click.command("resume")
@click.argument("run", shell_complete=completing.runs)
@set_option("train.epochs=500")
@click.option(
    "--checkpoint",
    type=Whole(0, 2**63 - 1),
    metavar="STEP",
    shell_complete=completing.steps,
    help="Continue from this step, not the latest.",
)
@strict_option
@workers_options
@root_option
@plugin_options
def command(
    run: str,
    overrides: tuple[str, ...],
    checkpoint: int | None,
    strict: bool,
    workers: int,
    max_restarts: int,
    root: Path,
    plugins: PluginChoice,
) -> None:
    """Continue RUN from its latest undamaged checkpoint.

    RUN is a folder, a name (its latest run), a tag, the beginning of an id, or `latest`. To extend
    a finished run, add --set train.epochs=N.
    """
    launches = is_launcher(workers)
    shown = loading(f"resuming {run}", always=True)
    from seqlab.runs.lock import locked
    from seqlab.runs.lookup import find_run

    folder = find_run(run, root)
    folder.check_kinds()
    if not is_follower():
        with locked(folder.path):  # refuse before torch and plugins are imported
            pass
    if launches:
        shown.close()
        launch_workers(workers, max_restarts)
        return
    registry = shown.load(plugins)
    from seqlab.runs.resuming import resume

    finished = resume(
        folder.path,
        overrides=overrides,
        checkpoint=checkpoint,
        registry=registry,
        progress=shown,
    )
    say_where(finished)
    if strict:
        fail_if_doubtful(finished)
