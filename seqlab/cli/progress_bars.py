"""A progress bar on the terminal for long reading."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from seqlab.cli.streams import is_terminal
from seqlab.data.progress import SILENT, Progress, log_progress
from seqlab.printable import one_line

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


def reading_bar() -> Progress:
    """Report progress with a bar on a terminal, and with log lines elsewhere."""
    return _ReadingBar() if is_terminal(sys.stderr) else log_progress()


class _ReadingBar:
    """A bar for each thing that takes longer than two seconds to read."""

    def __init__(self) -> None:
        self._what = ""
        self._started = 0.0
        self._bar: Bar | None = None

    def __call__(self, what: str, done: int, total: int | None) -> None:
        if what != self._what:
            self._stop()
            self._what, self._started = what, time.monotonic()
        if total is not None and done >= total:
            self._stop()
        elif self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=total)
        elif time.monotonic() - self._started > SILENT:
            self._start(done, total)

    def _start(self, done: int, total: int | None) -> None:
        # Not at the top: the import of rich draws a random number.
        from rich import console, progress

        self._bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=16),
            progress.TextColumn("{task.completed:,.0f}"),
            progress.TimeElapsedColumn(),
            console=console.Console(file=sys.stderr),
            transient=True,
        )
        self._bar.add_task(one_line(self._what), total=total, completed=done)
        self._bar.start()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._what = ""
