"""The command in a process that a launcher has started, and as a launcher."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from seqlab.cli.ctrl_c import INTERRUPTED
from seqlab.cli.options import Whole
from seqlab.cli.streams import err
from seqlab.distributed.launched import Launched, is_follower, launched
from seqlab.distributed.outcomes import folder_of_launch, write_beginning, write_outcome
from seqlab.errors import UsageError
from seqlab.printable import one_line

BY_SIGNAL = {INTERRUPTED, 129, 143}
"""Exit codes of a run that was saved; whoever launched it is not to start it again."""


def workers_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a run on several processes."""
    for option in (
        click.option(
            "--max-restarts",
            type=Whole(0, 1000),
            default=0,
            metavar="N",
            help="With --workers: after a failure, go on from the last checkpoint, N times.",
        ),
        click.option(
            "--workers",
            type=Whole(1, 1024),
            default=1,
            metavar="N",
            help="Compute on N processes of this machine; the same run, to the bit.",
        ),
    ):
        command = option(command)
    return command


def launch_workers(workers: int, max_restarts: int) -> bool:
    """Run this command in several processes, if that is asked for; return whether it was.

    Raises:
        SeqlabError: what the process said that failed first.
    """
    if workers == 1 or launched() is not None:
        return False
    if workers & (workers - 1):
        raise UsageError(f"--workers {workers}: should be a power of two, such as 2 or 4")
    from seqlab.distributed.launching import launch

    outcome = launch(click.get_current_context().obj, workers, max_restarts)
    if outcome is not None and outcome.code:
        for line in outcome.lines:
            err(f"seqlab: {one_line(line)}")
        raise click.exceptions.Exit(outcome.code)
    return True


def begin_worker() -> None:
    """Tell the launcher that a process begins; only the first one prints on stdout."""
    here, folder = launched(), folder_of_launch()
    if here is not None and folder is not None:
        write_beginning(folder, here)
    if is_follower():
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 # until the process ends


def left_to_launcher(code: int, lines: Sequence[str], error: BaseException) -> bool:
    """Leave it to the launcher to tell an error, if there is one that reads it."""
    from seqlab.distributed.lost import Lost

    here, folder = launched(), folder_of_launch()
    if here is None or folder is None:
        return False
    write_outcome(folder, here, code, lines, error.rank if isinstance(error, Lost) else None)
    return True


def exit_code_of_worker(code: int) -> int:
    """Return what a launched process exits with: its launcher starts failed ones again."""
    return 0 if code in BY_SIGNAL and folder_of_launch() is not None else code


def prefixed(text: str, here: Launched | None = None) -> str:
    """A line of a process that is not the first, with its rank."""
    here = here or launched()
    return f"rank {here.rank}: {text}" if here is not None and here.rank else text
