"""The console: the lines of the textbook, and the progress of a run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TextIO

from seqlab.options import LargeCount
from seqlab.printable import visible
from seqlab.records import (
    EpochEnded,
    Evaluated,
    Measured,
    RunEnded,
    RunStarted,
    StepEnded,
    TextGenerated,
)
from seqlab.status_line import show_status
from seqlab_plugins.observers.training_progress import LARGE, TrainingProgress

LINES = 20  # for a run without samples
LONGEST = 1e12  # a larger perplexity is shown as a power of ten


class Console:
    """Shows a run: the plain lines of the textbook, and below them how far it is.

    That is redrawn on a terminal; elsewhere it is a line on stderr every ten seconds.

    Args:
        every: epochs between two lines; null: as often as samples, or twenty lines in a run.
        step_interval: optimizer steps between two that the progress is measured at.
    """

    def __init__(
        self,
        *,
        every: LargeCount | None = None,
        step_interval: LargeCount = 1,
    ) -> None:
        self._every = every
        self.step_interval = step_interval
        self._progress: TrainingProgress | None = None
        self._end: Callable[[], None] = lambda: None
        self._epochs = 0

    def seqlab_run_started(self, record: RunStarted) -> None:
        self._epochs = record.epochs
        self._every = self._every or record.samples_every or -(-record.epochs // LINES) or 1
        self._progress = TrainingProgress(record)
        self._end = show_status(self._progress.text)

    def seqlab_step_ended(self, record: StepEnded) -> None:
        if self._progress is not None:
            self._progress.step_ended(record)

    def seqlab_epoch_ended(self, record: EpochEnded) -> None:
        if record.epoch % (self._every or 1) == 0 or record.epoch == self._epochs:
            self._print(f"epoch {record.epoch}, {_measured(record)}, time {record.seconds:.2f} sec")

    def seqlab_evaluated(self, record: Evaluated) -> None:
        self._print(f"epoch {record.epoch}, {visible(record.split)} {_measured(record)}")

    def seqlab_text_generated(self, record: TextGenerated) -> None:
        text = visible(record.text) if _is_terminal(sys.stdout) else record.text
        self._print(f" - {text}")

    def seqlab_run_ended(self, record: RunEnded) -> None:
        if self._progress is not None:
            self._progress.ended()
        self._end()

    def _print(self, line: str) -> None:
        print(line, flush=True)  # noqa: T201 # this is the observer that prints


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _measured(record: Measured) -> str:
    """Perplexity (or the loss of an objective without) and what is measured beside it."""
    first = _perplexity(record) or f"loss {record.loss:.6f}"
    return ", ".join([first, *(f"{n} {v:.4g}" for n, v in record.parts.items() if v is not None)])


def _perplexity(record: Measured) -> str:
    """Empty where the loss is that of an objective that has no perplexity."""
    value = record.perplexity
    if value is None:
        return "perplexity too large for a float" if record.loss > LARGE else ""
    return f"perplexity {value:.6f}" if value < LONGEST else f"perplexity {value:.6e}"
