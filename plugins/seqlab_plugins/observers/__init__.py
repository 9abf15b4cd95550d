"""Observers: the console, metrics files, and warnings about gradients."""

from __future__ import annotations

import csv
import io
import logging
import math
import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Annotated, Any

from pydantic import Field

from seqlab import Observer, hookimpl
from seqlab.files import cut, expect_folder, open_anew, open_to_append, open_to_read, size_of
from seqlab.printable import csv_cell
from seqlab.records import Measured, RunEnded, RunStarted, StepEnded, TextGenerated
from seqlab_plugins.observers.console import Console

log = logging.getLogger("seqlab.gradient_spikes")


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
