"""Observers: the console, metrics files, and warnings about gradients."""

from __future__ import annotations

import csv
import io
import logging
import math
import os
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any, TextIO

from pydantic import Field

from seqlab import Observer, hookimpl
from seqlab.files import cut, expect_folder, open_anew, open_to_append, open_to_read, size_of
from seqlab.options import LargeCount
from seqlab.printable import csv_cell, visible
from seqlab.records import (
    EpochEnded,
    Evaluated,
    Measured,
    RunEnded,
    RunStarted,
    StepEnded,
    TextGenerated,
)

if TYPE_CHECKING:
    from rich.progress import Progress

log = logging.getLogger("seqlab.gradient_spikes")

LINES = 20  # for a run without samples


class Console:
    """Shows a run: a progress bar on a terminal, the plain lines of the textbook elsewhere.

    Args:
        every: epochs between two lines; null: as often as samples, or twenty lines in a run.
        step_interval: optimizer steps between two updates of the bar.
    """

    def __init__(
        self,
        *,
        every: LargeCount | None = None,
        step_interval: LargeCount = 1,
    ) -> None:
        self._every = every
        self.step_interval = step_interval
        self._bar: Progress | None = None
        self._epochs = 0

    def seqlab_run_started(self, record: RunStarted) -> None:
        self._epochs = record.epochs
        self._every = self._every or record.samples_every or -(-record.epochs // LINES) or 1
        if _shows_bar():
            self._start_bar(record)

    def seqlab_step_ended(self, record: StepEnded) -> None:
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=record.step)

    def seqlab_epoch_ended(self, record: EpochEnded) -> None:
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=_status(record))
        if record.epoch % (self._every or 1) == 0 or record.epoch == self._epochs:
            self._print(f"epoch {record.epoch}, {_measured(record)}, time {record.seconds:.2f} sec")

    def seqlab_evaluated(self, record: Evaluated) -> None:
        self._print(f"epoch {record.epoch}, {visible(record.split)} {_measured(record)}")

    def seqlab_text_generated(self, record: TextGenerated) -> None:
        text = visible(record.text) if _is_terminal(sys.stdout) else record.text
        self._print(f" - {text}")

    def seqlab_run_ended(self, record: RunEnded) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _start_bar(self, record: RunStarted) -> None:
        # Not at the top: the import of rich draws a random number.
        from rich import console, progress

        self._bar = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=16),
            progress.TaskProgressColumn(),
            progress.TimeRemainingColumn(compact=True),
            progress.TextColumn("left"),
            console=console.Console(file=sys.stderr),
            transient=True,
        )
        self._bar.add_task(visible(record.name), total=record.total_steps, completed=record.step)
        self._bar.start()

    def _print(self, line: str) -> None:
        """Print a line on stdout, above the bar on stderr."""
        if self._bar is not None and _is_terminal(sys.stdout):
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, flush=True)  # noqa: T201 # this is the observer that prints


LARGE = 700.0  # nats, from which on a perplexity is no float


def _shows_bar() -> bool:
    """Whether rich would show a bar, without the import of rich."""
    return os.environ.get("TTY_COMPATIBLE") == "1" or _is_terminal(sys.stderr)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _status(record: EpochEnded) -> str:
    return (
        f"epoch {record.epoch}, loss {record.loss:.3f}, {_perplexity(record, 4)}"
        f"{record.tokens_per_second:,.0f} tokens/s"
    )


def _measured(record: Measured) -> str:
    """Perplexity (or the loss of an objective without) and what is measured beside it."""
    first = _perplexity(record, 6).removesuffix(", ") or f"loss {record.loss:.6f}"
    return ", ".join([first, *(f"{n} {v:.4g}" for n, v in record.parts.items() if v is not None)])


def _perplexity(record: Measured, digits: int) -> str:
    """Empty where the loss is that of an objective that has no perplexity."""
    if record.perplexity is not None:
        return f"perplexity {record.perplexity:.{digits}f}, "
    return "perplexity too large for a float, " if record.loss > LARGE else ""


class Csv:
    """Writes the metrics to `metrics.csv` in the run's folder, for spreadsheets."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._size = 0  # of the file, from the checkpoint of a resumed run
        self._columns: list[str] = []

    def seqlab_run_started(self, record: RunStarted) -> None:
        self._path, self._columns = Path(record.folder, "metrics.csv"), list(record.columns)
        if self._size and self._path.exists():
            cut(self._path, self._size)
            with open_to_read(self._path) as file:  # an older version may have had fewer
                self._columns = file.readline().decode("utf-8", "replace").strip().split(",")
        else:
            with open_anew(self._path) as file:
                file.write(f"{','.join(self._columns)}\r\n".encode())

    def state_dict(self) -> dict[str, int]:
        return {"size": size_of(self._path) if self._path else 0}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._size = state["size"]

    def _append(self, record: Measured) -> None:
        assert self._path is not None  # noqa: S101 # a run starts before anything is measured
        text = io.StringIO()
        row = record.as_row()
        values = ("" if row.get(name) is None else str(row[name]) for name in self._columns)
        csv.writer(text).writerow(map(csv_cell, values))
        with open_to_append(self._path) as file:
            file.write(text.getvalue().encode("utf-8", "replace"))

    seqlab_epoch_ended = seqlab_evaluated = _append


class TensorBoard:
    """Writes scalars and samples for TensorBoard to `tensorboard/` in the run's folder.

    Needs the extra: pip install 'seqlab[tensorboard]'.
    """

    def __init__(self) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ValueError(
                "observer 'tensorboard' needs a package: pip install 'seqlab[tensorboard]'"
            ) from None
        self._make = SummaryWriter
        self._writer: Any = None

    def seqlab_run_started(self, record: RunStarted) -> None:
        folder = Path(record.folder, "tensorboard")
        if os.path.lexists(folder):
            expect_folder(folder)
        self._writer = self._make(str(folder), purge_step=record.step + 1 if record.step else None)

    def seqlab_text_generated(self, record: TextGenerated) -> None:
        self._writer.add_text(record.prefix, record.text, record.step)

    def seqlab_run_ended(self, record: RunEnded) -> None:
        if self._writer is not None:
            self._writer.close()

    def _write(self, record: Measured) -> None:
        for name, value in record.as_row().items():
            if isinstance(value, float):
                self._writer.add_scalar(f"{record.split}/{name}", value, record.step)

    seqlab_epoch_ended = seqlab_evaluated = _write


class GradientSpikes:
    """Warns of a step whose gradient is far larger than those of the steps before it.

    It compares the norms before clipping, after the first `steps` steps.

    Args:
        factor: warn above this many times the median norm.
        steps: the number of last steps for the median.
    """

    def __init__(
        self,
        *,
        factor: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 10.0,
        steps: Annotated[int, Field(gt=0, le=1_000_000)] = 100,
    ) -> None:
        self._factor = factor
        self._norms: deque[float] = deque(maxlen=steps)

    def state_dict(self) -> dict[str, list[float]]:
        return {"norms": list(self._norms)}

    def load_state_dict(self, state: Mapping[str, list[float]]) -> None:
        self._norms = deque(state["norms"], self._norms.maxlen)

    def seqlab_step_ended(self, record: StepEnded) -> None:
        norm = record.gradient_norm
        if norm is None or not math.isfinite(norm):  # the run itself reports the second
            return
        if len(self._norms) == self._norms.maxlen:
            usual = median(self._norms)
            if norm > self._factor * usual:
                log.warning(
                    "Step %d has a gradient norm of %.3g; the median of the last %d steps is %.3g",
                    *(record.step, norm, len(self._norms), usual),
                )
        self._norms.append(norm)


@hookimpl
def seqlab_register_observers() -> dict[str, type[Observer]]:
    return {
        "console": Console,
        "csv": Csv,
        "gradient_spikes": GradientSpikes,
        "tensorboard": TensorBoard,
    }
