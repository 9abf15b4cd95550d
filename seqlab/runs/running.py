"""An experiment in -> a run folder out: builds, trains, generates, and tells what happened."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seqlab.data.tokens import characters_per_token
from seqlab.errors import RunFailed, UsageError
from seqlab.experiment import Experiment, read_experiment
from seqlab.experiment.yaml12 import dump_yaml
from seqlab.generation.generating import encode_prefix, generate
from seqlab.records import CheckpointSaved, Record, RunEnded, RunStarted, StepEnded, TextGenerated
from seqlab.registry import Registry, Resolved, load_plugins, resolve
from seqlab.runs.building import Parts, build
from seqlab.runs.description import describe_run, now, used_plugins
from seqlab.runs.folder import ROOT, RunFolder, check_free, create_folder
from seqlab.runs.logs import run_log, write_to
from seqlab.runs.opened import Run
from seqlab.runs.telling import Observers
from seqlab.training.checkpoint import Checkpoint, save_checkpoint
from seqlab.training.epoch import RunningEpoch
from seqlab.training.loop import Step, Training

log = logging.getLogger(__name__)


def run(
    experiment: Experiment | str | Path | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    run_dir: str | Path | None = None,
    root: str | Path = ROOT,
    registry: Registry | None = None,
) -> Run:
    """Run an experiment: what `seqlab run` does.

    Args:
        experiment: a file, the same as a mapping, or one that is already read.
        overrides: `KEY=VALUE`, as `--set` takes them.
        run_dir: the folder of the run; None: a new one under `root`.
        root: where runs are collected.
        registry: the plugins; None: all that can be found from here.

    Raises:
        SeqlabError: with one clear message; its `exit_code` is the command's.
    """
    if not isinstance(experiment, Experiment):
        experiment = read_experiment(experiment, overrides)
    place = Path(run_dir) if run_dir is not None else None
    if place is not None:
        check_free(place)
    registry = registry if registry is not None else load_plugins()
    resolved = resolve(experiment, registry)
    with run_log() as handler:
        for notice in resolved.notices:
            log.warning(notice)
        parts = build(resolved)
        observers = Observers(resolved.observers)
        folder = create_folder(experiment.name, place, Path(root))
        write_to(handler, folder.log)
        Running(experiment, resolved, registry, parts, folder, observers).go()
    return Run(folder, registry)


class Running:
    """One run on its way, from the folder that is empty to the one that is complete."""

    def __init__(
        self,
        experiment: Experiment,
        resolved: Resolved,
        registry: Registry,
        parts: Parts,
        folder: RunFolder,
        observers: Observers,
    ) -> None:
        self.resolved = resolved
        self.parts = parts
        self.folder = folder
        self.observers = observers
        self.training = Training(
            parts.model,
            parts.sampler,
            parts.optimizer,
            parts.schedule,
            characters=characters_per_token(parts.prepared.tokenizer),
            clip_norm=resolved.optimizer_keys.clip_norm,
            seed=resolved.train.seed,
        )
        self.parameters = sum(p.numel() for p in parts.model.parameters())
        self.description = describe_run(
            resolved,
            registry,
            parts.prepared,
            device=parts.device,
            parameters=self.parameters,
            total_steps=parts.total_steps,
            overrides=experiment.overrides,
        )
        self._write_down(experiment, registry)
        self.prefixes = self._known_prefixes()
        self.begun = time.perf_counter()

    def go(self) -> None:
        """Train, generate, save; whatever happens, the folder says how it ended."""
        with self._ending(), _disk_errors(self.folder):
            self._start()
            for step in self.training.steps(self.parts.total_steps):
                self._after(step)
            self._save()

    def _start(self) -> None:
        self._say_what_is_left_out()
        samples = self.resolved.samples
        record = RunStarted(
            name=self.resolved.name,
            folder=str(self.folder.path),
            total_steps=self.parts.total_steps,
            steps_per_epoch=len(self.parts.sampler),
            epochs=-(-self.parts.total_steps // len(self.parts.sampler)),
            parameters=self.parameters,
            samples_every=samples.every if samples else 0,
        )
        self.observers.tell("seqlab_run_started", record)
        if samples and (samples.at_start or not self.parts.total_steps):
            self._sample(epoch=0)
        self.epoch = RunningEpoch()

    def _after(self, step: Step) -> None:
        """Bring the records up to date with one more step."""
        self.epoch.add(step)
        self.observers.step_ended(step.number, lambda: self._step_record(step))
        last = step.number == self.parts.total_steps
        if step.ends_epoch or last:
            self._record(self.folder.metrics, "seqlab_epoch_ended", self.epoch.record(step))
            samples = self.resolved.samples
            if samples and (step.epoch % samples.every == 0 or last):
                self._sample(step.epoch)
            self.epoch = RunningEpoch()

    def _step_record(self, step: Step) -> StepEnded:
        return StepEnded(
            step=step.number,
            epoch=step.epoch,
            loss=float(step.nats) / max(float(step.weight), 1e-12),
            gradient_norm=step.gradient_norm,
            lr=step.lr,
            tokens=int(step.weight),
            seconds=time.perf_counter() - self.begun,
        )

    def _sample(self, epoch: int) -> None:
        samples = self.resolved.samples
        if samples is None or not self.prefixes:
            return
        for result in generate(
            self.parts.model,
            self.parts.prepared.tokenizer,
            self.parts.decoder,
            self.prefixes,
            length=samples.length,
            seed=self.resolved.train.seed,
        ):
            record = TextGenerated(self.training.done, epoch, result.prefix, result.text)
            self._record(self.folder.samples, "seqlab_text_generated", record)

    def _record(self, file: Path, event: str, record: Record) -> None:
        self.folder.append(file, record.as_row())
        self.observers.tell(event, record)

    def _save(self) -> None:
        checkpoint = Checkpoint(
            step=self.training.done,
            weights=self.parts.model.state_dict(),
            state={
                "tokenizer": self.parts.prepared.tokenizer.state_dict(),
                "optimizer": self.parts.optimizer.state_dict(),
                "schedule": _plain_values(self.parts.schedule.state_dict()),
                "state": self.training.state,
            },
        )
        path = save_checkpoint(self.folder.checkpoints, checkpoint)
        record = CheckpointSaved(checkpoint.step, str(path))
        self.observers.tell("seqlab_checkpoint_saved", record)

    def _write_down(self, experiment: Experiment, registry: Registry) -> None:
        """What is known before the first step: the experiment as given and as it was understood."""
        with _disk_errors(self.folder):
            self.folder.experiment.write_text(experiment.source, "utf-8")
            used = self.resolved.as_experiment() | {"corpus": self._used_corpus()}
            self.folder.resolved.write_text(dump_yaml(used), "utf-8")
            for plugin in used_plugins(self.resolved, registry):
                if not plugin.distribution and plugin.path is not None:
                    self.folder.plugins.mkdir(exist_ok=True)
                    shutil.copy2(plugin.path, self.folder.plugins)
            self.folder.describe(self.description)
            self.folder.metrics.touch()
            self.folder.samples.touch()

    def _used_corpus(self) -> dict[str, Any]:
        keys = self.resolved.corpus_keys
        used = self.parts.prepared.corpus
        stand_in = keys.if_unavailable if used is self.resolved.corpus else None
        core = {"max_characters": keys.max_characters, "if_unavailable": stand_in}
        return used.as_section() | core

    def _known_prefixes(self) -> list[str]:
        """Sample prefixes that the vocabulary has; the others are named and skipped."""
        known = []
        for prefix in self.resolved.samples.prefixes if self.resolved.samples else []:
            try:
                encode_prefix(self.parts.prepared.tokenizer, prefix)
                known.append(prefix)
            except UsageError as error:
                log.warning("samples: %s; it is skipped", error)
        return known

    def _say_what_is_left_out(self) -> None:
        missed = sum(map(len, self.parts.sampler.left_out(0)))
        targets = len(self.parts.prepared.tokens) - 1
        if missed:
            log.info(
                "An epoch trains %s of %s targets; sampler '%s' leaves out the rest.",
                f"{targets - missed:,}", f"{targets:,}", self.resolved.sampler.component.name
            )  # fmt: skip

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """Write down how the run ended, and tell the observers."""
        status = "failed"
        try:
            yield
            status = "finished"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            seconds = time.perf_counter() - self.begun
            ended = {"status": status, "ended": now(), "step": self.training.done}
            self.description |= {**ended, "observer_failures": self.observers.failures}
            record = RunEnded(status, self.training.done, str(self.folder.path), seconds)
            self.observers.tell("seqlab_run_ended", record)
            with _disk_errors(self.folder):
                self.folder.describe(self.description)


def _plain_values(state: Mapping[str, Any]) -> dict[str, Any]:
    """A scheduler's state without what torch puts there that is neither number nor text."""
    return {key: value for key, value in state.items() if not callable(value)}


@contextmanager
def _disk_errors(folder: RunFolder) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = error.filename or folder.path
        raise RunFailed(f"{place}: cannot be written ({error.strerror})") from error
