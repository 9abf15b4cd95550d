"""What a run writes down and tells: rows of metrics, samples, events."""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from seqlab.errors import UsageError
from seqlab.generation.generating import generate
from seqlab.generation.prefixes import encode_prefix
from seqlab.records import (
    CheckpointSaved,
    EpochEnded,
    Evaluated,
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
from seqlab.training.epoch_mean import RunningEpoch
from seqlab.training.evaluation import evaluate
from seqlab.training.step import Step

log = logging.getLogger(__name__)


class Recorder:
    """Measures where that is needed, then writes a row and tells the observers.

    `epoch` sums up the epoch that is on its way.
    """

    def __init__(
        self, resolved: Resolved, parts: Parts, folder: RunFolder, observers: Observers
    ) -> None:
        self._resolved = resolved
        self._parts = parts
        self._folder = folder
        self._observers = observers
        self._begun = time.monotonic()
        self._prefixes = self._known_prefixes()
        self.epoch = RunningEpoch()

    def started(self) -> None:
        training, total = self._parts.training, self._parts.total_steps
        samples = self._resolved.samples
        record = RunStarted(
            name=self._resolved.name,
            folder=str(self._folder.path),
            step=training.done,
            total_steps=total,
            steps_per_epoch=training.steps_per_epoch,
            epochs=-(-total // training.steps_per_epoch),
            parameters=sum(p.numel() for p in self._parts.model.parameters()),
            samples_every=samples.every if samples else 0,
        )
        self._observers.tell("seqlab_run_started", record)

    def step_ended(self, step: Step) -> None:
        self.epoch.add(step)
        self._observers.step_ended(step.number, lambda: self._step_record(step))

    def epoch_ended(self, last: Step) -> EpochEnded:
        record = self.epoch.record(last)
        self._write(self._folder.metrics, "seqlab_epoch_ended", record)
        return record

    def evaluated(self, step: Step) -> Evaluated:
        """Score the split that the experiment names, and write its row."""
        settings, tokens = self._resolved.evaluation, self._parts.evaluated
        assert settings is not None  # noqa: S101 # only called where there is an evaluation
        assert tokens is not None  # noqa: S101 # encoded then
        begun = time.perf_counter()
        with self.averaged():
            sums = evaluate(
                self._parts.model,
                tokens,
                self._parts.sizes,
                rows=settings.rows,
                fresh=self._resolved.fresh_documents,
                window=settings.window,
                precision=self._parts.training.precision,
            )
        seconds = time.perf_counter() - begun
        record = Evaluated(
            step=step.number,
            epoch=step.epoch,
            split=settings.split,
            lr=step.lr,
            gradient_norm=None,
            **sums.metrics(seconds=seconds, accuracy=tokens.weights is not None),
        )
        self._write(self._folder.metrics, "seqlab_evaluated", record)
        return record

    def sampled(self, epoch: int) -> None:
        """Continue the sample prefixes of the experiment, if it has any."""
        samples = self._resolved.samples
        if samples is None or not self._prefixes:
            return
        with self.averaged():
            results = generate(
                self._parts.model,
                self._parts.prepared.tokenizer,
                self._parts.decoder,
                self._prefixes,
                length=samples.length,
                seed=self._resolved.train.seed,
            )
        for result in results:
            record = TextGenerated(self._parts.training.done, epoch, result.prefix, result.text)
            self._write(self._folder.samples, "seqlab_text_generated", record)

    def saved(self, step: int, path: Path) -> None:
        self._observers.tell("seqlab_checkpoint_saved", CheckpointSaved(step, str(path)))

    def ended(self, status: str) -> None:
        step, seconds = self._parts.training.done, time.monotonic() - self._begun
        record = RunEnded(status, step, str(self._folder.path), seconds)
        self._observers.tell("seqlab_run_ended", record)

    def averaged(self) -> AbstractContextManager[None]:
        """Let the model have its averaged weights for a while, where they are kept."""
        average = self._parts.training.average
        return nullcontext() if average is None else average.in_place()

    def _write(self, file: Path, event: str, record: Record) -> None:
        self._folder.append(file, record.as_row())
        self._observers.tell(event, record)

    def _step_record(self, step: Step) -> StepEnded:
        return StepEnded(
            step=step.number,
            epoch=step.epoch,
            loss=step.loss,
            gradient_norm=step.gradient_norm,
            lr=step.lr,
            tokens=int(step.sums.values[1]),
            seconds=time.monotonic() - self._begun,
        )

    def _known_prefixes(self) -> list[str]:
        """Sample prefixes that the vocabulary has; the others are named and skipped."""
        known = []
        for prefix in self._resolved.samples.prefixes if self._resolved.samples else []:
            try:
                encode_prefix(self._parts.prepared.tokenizer, prefix)
                known.append(prefix)
            except UsageError as error:
                log.warning("samples: %s; it is skipped", error)
        return known
