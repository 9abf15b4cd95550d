"""Write the rows of a run, and send its events to the observers."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from seqlab.errors import UsageError
from seqlab.generation.generating import generate
from seqlab.generation.prefixes import encode_prefix
from seqlab.records import (
    MEASURED,
    CheckpointSaved,
    EpochEnded,
    Evaluated,
    Measured,
    Record,
    RunEnded,
    RunStarted,
    StepEnded,
    TextGenerated,
)
from seqlab.registry import Resolved
from seqlab.runs.building import Parts
from seqlab.runs.folder import RunFolder
from seqlab.runs.observers import Observers
from seqlab.runs.reached import Reached
from seqlab.training.measuring import further_columns, measure
from seqlab.training.step import RunningEpoch, Step

log = logging.getLogger(__name__)


def measured(resolved: Resolved, parts: Parts) -> dict[str, Any]:
    """Score the evaluated split, with all other processes; the first one has the numbers."""
    settings, tokens = resolved.evaluation, parts.evaluated
    assert settings and tokens is not None  # noqa: S101, PT018 # called if there is a section
    with parts.training.evaluating():
        return measure(
            parts.model,
            tokens,
            parts.sizes,
            settings,
            fresh=resolved.fresh_documents,
            precision=parts.training.precision,
            shards=resolved.train.shards,
            world=parts.training.world,
            training=lambda: parts.prepared.tokens,
        )


@dataclass
class Recorder:
    """Writes rows of metrics and samples; `epoch` has the sums of the current epoch."""

    resolved: Resolved
    parts: Parts
    folder: RunFolder
    observers: Observers
    id: str
    settings: Mapping[str, Any]

    def __post_init__(self) -> None:
        self._start = time.monotonic()
        self._prefixes = self._valid_prefixes()
        self._further = further_columns(self.resolved.evaluation)
        self.epoch = RunningEpoch(self.parts.training.columns)
        self._last: dict[str, dict[str, Any]] = {}
        self.reached = Reached()

    def started(self) -> None:
        training, total = self.parts.training, self.parts.total_steps
        samples = self.resolved.samples
        record = RunStarted(
            name=self.resolved.name,
            folder=str(self.folder.path),
            step=training.done,
            total_steps=total,
            steps_per_epoch=training.epochs.steps(0),
            epochs=training.epochs.place(total - 1)[0] + 1 if total else 0,
            parameters=sum(p.numel() for p in self.parts.model.parameters()),
            samples_every=samples.every if samples else 0,
            columns=tuple(dict.fromkeys([*MEASURED, *training.columns.parts, *self._further])),
            length_in_steps=self.resolved.train.steps is not None,
            has_perplexity=self.parts.model.predicts_next,
            id=self.id,
            settings=deepcopy(self.settings),
        )
        self.observers.notify("seqlab_run_started", record)

    def step_ended(self, step: Step) -> None:
        self.epoch.add(step)
        self.observers.step_ended(step.number, partial(self._step_record, step))

    def epoch_ended(self, last: Step) -> EpochEnded:
        record = self.epoch.record(last)
        self._write(self.folder.metrics, "seqlab_epoch_ended", record)
        return record

    def evaluated(self, step: Step) -> Evaluated:
        """Score the evaluated split, and write its row."""
        self.parts.training.world.order("evaluate")
        settings, metrics = self.resolved.evaluation, measured(self.resolved, self.parts)
        assert settings  # noqa: S101 # called if there is a section
        record = Evaluated(
            step=step.number,
            epoch=step.epoch,
            split=settings.split,
            lr=step.lr,
            gradient_norm=None,
            **metrics,
        )
        self._write(self.folder.metrics, "seqlab_evaluated", record)
        return record

    def sampled(self, epoch: int) -> None:
        """Continue the sample prefixes of the experiment, if it has any."""
        samples = self.resolved.samples
        if samples is None or not self._prefixes:
            return
        self.parts.training.world.order("sample")
        with self.parts.training.evaluating():
            results = generate(
                self.parts.model,
                self.parts.prepared.tokenizer,
                self.parts.decoder,
                self._prefixes,
                length=samples.length,
                seed=self.resolved.train.seed,
            )
        for result in results:
            record = TextGenerated(self.parts.training.done, epoch, result.prefix, result.text)
            self._write(self.folder.samples, "seqlab_text_generated", record)

    def saved(self, step: int, path: Path) -> None:
        self.observers.notify("seqlab_checkpoint_saved", CheckpointSaved(step, str(path)))

    def ended(self, status: str) -> None:
        step, seconds = self.parts.training.done, time.monotonic() - self._start
        record = RunEnded(status, step, str(self.folder.path), seconds)
        self.observers.notify("seqlab_run_ended", record)

    def last_rows(self) -> dict[str, dict[str, Any]]:
        """Return the last row of metrics of each split; those of before a resume are read."""
        return self._last or {row["split"]: row for row in self.folder.metrics_rows()}

    def read_rows(self) -> None:
        """Look at the rows of before a resume."""
        self.reached = Reached(self.folder.metrics_rows())

    def _write(self, file: Path, event: str, record: Record) -> None:
        row = record.as_row()
        if isinstance(record, Measured):
            self._last[record.split] = row
            self.reached.add(row)
        self.folder.append(file, row)
        self.observers.notify(event, record)

    def _step_record(self, step: Step, norms: bool) -> StepEnded:
        return StepEnded(
            step=step.number,
            epoch=step.epoch,
            loss=step.loss,
            gradient_norm=step.gradient_norm,
            lr=step.lr,
            tokens=int(step.sums.values[1]),
            seconds=time.monotonic() - self._start,
            norms=step.norms.read() if norms and step.norms else None,
        )

    def _valid_prefixes(self) -> list[str]:
        """Return the prefixes that can be encoded; warn of the rest."""
        valid: list[str] = []
        if self.resolved.samples and not self.parts.model.predicts_next:
            log.warning("samples: there are none, as the objective does not predict the next token")
            return valid
        for prefix in self.resolved.samples.prefixes if self.resolved.samples else []:
            try:
                encode_prefix(self.parts.prepared.tokenizer, prefix)
                valid.append(prefix)
            except UsageError as error:
                log.warning("samples: %s; it is skipped", error)
        return valid
