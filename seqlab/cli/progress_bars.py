"""What moves on a terminal while something long is read."""

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
    """Show how far reading has come: by a bar on a terminal, by lines now and then elsewhere."""
    return _Reading() if is_terminal(sys.stderr) else log_progress()


class _Reading:
    """A bar for each thing that is read, from two seconds on until it is done."""

    def __init__(self) -> None:
        self._what = ""
        self._begun = 0.0
        self._bar: Bar | None = None

    def __call__(self, what: str, done: int, total: int | None) -> None:
        if what != self._what:
            self._stop()
            self._what, self._begun = what, time.monotonic()
        if total is not None and done >= total:
            self._stop()
        elif self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=total)
        elif time.monotonic() - self._begun > SILENT:
            self._start(done, total)

    def _start(self, done: int, total: int | None) -> None:
        # Here, because rich draws a random number when it is imported.
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
