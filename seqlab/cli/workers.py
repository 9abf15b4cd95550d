"""The command in a process that a launcher has started, and as a launcher."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from seqlab.cli.options import Whole
from seqlab.distributed.launched import Launched, check_workers, is_follower, launched
from seqlab.distributed.outcomes import folder_of_launch, write_beginning, write_outcome


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


def is_launcher(workers: int) -> bool:
    """Whether this process starts those of a run, and has no part in it itself.

    Raises:
        UsageError: so many processes cannot share a run.
    """
    check_workers(workers)
    return workers > 1 and launched() is None


def launch_workers(workers: int, max_restarts: int) -> None:
    """Run this command in several processes.

    Raises:
        SeqlabError: what the process said that failed first.
    """
    from seqlab.distributed.launching import launch

    arguments = click.get_current_context().obj
    launch([sys.executable, "-m", "seqlab", *arguments], workers, max_restarts)


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


def prefixed(text: str, here: Launched | None = None) -> str:
    """A line of a process that is not the first, with its rank."""
    here = here or launched()
    return f"rank {here.rank}: {text}" if here is not None and here.rank else text
