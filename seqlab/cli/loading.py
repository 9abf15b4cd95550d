"""What a command is doing before there is a result: loading, building, reading a corpus."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import click

from seqlab.cli.streams import err
from seqlab.distributed.launched import is_follower
from seqlab.distributed.outcomes import folder_of_launch
from seqlab.printable import one_line
from seqlab.status_line import is_animated, show_status

if TYPE_CHECKING:
    from seqlab.cli.options import PluginChoice
    from seqlab.registry import Registry

FRAMES = "|/-\\"  # of the sign that turns


def loading(first: str, *, always: bool = False) -> Loading:
    """Say at once what a command does; what it is loading is shown until it ends.

    Args:
        first: the first line, for a terminal.
        always: print it elsewhere too, for the log of a long job.
    """
    quiet = is_follower()
    is_said = folder_of_launch() is not None  # by the launcher
    if not (quiet or is_said) and (always or is_animated(sys.stderr)):
        err(f"seqlab: {one_line(first)}")
    shown = Loading(quiet=quiet)
    click.get_current_context().call_on_close(shown.close)
    return shown


class Stage(NamedTuple):
    """`done` of `total` characters are read; `since` is when it began, in seconds."""

    what: str
    done: int
    total: int | None
    since: float


class Loading:
    """Shows one stage after the other; it is a `seqlab.data.progress.Progress`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, quiet: bool = False) -> None:
        self._clock = clock
        self._stage = Stage("Starting", 0, None, clock())
        self.close = _show_nothing if quiet else show_status(self.text)

    def __call__(self, what: str, done: int = 0, total: int | None = None) -> None:
        """Show a stage, and how much of it is done."""
        now = self._stage
        since = now.since if now.what == what else self._clock()
        self._stage = Stage(what, done, total, since)

    def load(self, plugins: PluginChoice) -> Registry:
        """Import torch, which takes longest, then load the plugins; each under its name."""
        self("Importing torch")
        import torch  # noqa: F401

        self("Loading plugins")
        return plugins.load()

    def text(self, width: int | None) -> str:
        """The status for a terminal, or the line of a log."""
        stage = self._stage
        seconds = self._clock() - stage.since
        if width is None:
            return f"{_counted(stage)} ({seconds:.0f} s)"
        sign = FRAMES[int(2 * seconds) % len(FRAMES)]
        return f"{sign} {_counted(stage)}  {int(seconds) // 60}:{int(seconds) % 60:02}"


def _show_nothing() -> None:
    pass


def _counted(stage: Stage) -> str:
    if not stage.done:
        return stage.what
    of = f" of {stage.total:,}" if stage.total else ""
    return f"{stage.what}: {stage.done:,}{of}"
