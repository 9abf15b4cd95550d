"""One execution of a run: train, record, evaluate, generate and save."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from seqlab.distributed.wishes import Wishes
from seqlab.errors import Interrupted, Override, StoppedByHand
from seqlab.interrupts import forbidding_exit
from seqlab.registry import Resolved
from seqlab.remedies import Resumption
from seqlab.runs.building import Parts
from seqlab.runs.description import now
from seqlab.runs.doubts import doubt, warn_at_the_end
from seqlab.runs.due import Due, Intervals, Place
from seqlab.runs.error_messages import compiler_errors, disk_errors, memory_errors, training_sizes
from seqlab.runs.folder import RunFolder
from seqlab.runs.observers import Observers
from seqlab.runs.recording import Recorder
from seqlab.runs.signals import Request, stop_requests
from seqlab.runs.stopping import Best, Stopping
from seqlab.runs.told_losses import tell
from seqlab.runs.trial import PRUNED
from seqlab.training.checkpoint import (
    Checkpoint,
    check_state,
    remove_checkpoints,
    save_checkpoint,
    steps_saved,
)
from seqlab.training.profiling import Profile
from seqlab.training.step import RunningEpoch, Step

log = logging.getLogger(__name__)


@dataclass
class Session:
    """The steps of a run, from the first (or the one after a checkpoint) to the last.

    A checkpoint covers the rows of whole epochs and of due evaluations. Rows that are written only
    because the run ends come after the last checkpoint, so that a run that is extended later has
    the same rows as one that was that long from the start.
    """

    resolved: Resolved
    parts: Parts
    folder: RunFolder
    observers: Observers
    description: dict[str, Any]
    profile: Profile | None = None

    def __post_init__(self) -> None:
        self.training = self.parts.training
        self.training.wants_norms = self.observers.want_norms
        known = self.description.get("id", ""), self.description["settings"]
        self.recorder = Recorder(self.resolved, self.parts, self.folder, self.observers, *known)
        self.best = Best()
        self.stopping = Stopping(self.resolved.train.stop)
        self.last: Step | None = None
        self.doubt = ""
        self._saved_step = -1
        self._minutes_before = 0.0
        self._start = time.monotonic()
        self.intervals, self.due = Intervals(self.resolved), Due()

    def run(self) -> None:
        """Run to the end; however it ends, `run.json` says how."""
        sizes = training_sizes(self.resolved, self.parts.prepared.tokenizer.size)
        with (
            stop_requests() as request,
            self._ending(),
            forbidding_exit(),
            disk_errors(self.folder.path),
            memory_errors(self.resolved, sizes, "training"),
            compiler_errors(self.resolved),
        ):
            check_state(self._checkpoint().state)
            self.recorder.started()
            samples = self.resolved.samples
            if samples and samples.at_start and not self.training.done:
                self.recorder.sampled(epoch=0)
            self.training.wishes = partial(self._wishes, request)
            with self._profiled() as step_ended:
                self.training.world.order("train")
                for step in self.training.steps(self.parts.total_steps):
                    step_ended()
                    self._after(step)
            request.signal = request.signal or self.training.agreed.signal
            self._finish(request)
            self.training.world.order("end")
            self.folder.sync()

    @contextmanager
    def _profiled(self) -> Iterator[Callable[[], None]]:
        """Measure the parts of each step, if there is a profile."""
        if self.profile is None:
            yield lambda: None
            return
        self.training.phase = self.profile.phase
        with self.profile.traced() as step_ended:
            yield step_ended
        self.description["profile"] = self.profile.summary()

    def _wishes(self, request: Request) -> Wishes:
        """Say what this process wishes before a step is taken, and what is due after it."""
        training = self.training
        epoch, group = training.epochs.place(training.done)
        ends_epoch = group + 1 == training.epochs.steps(epoch)
        self.due = self.intervals.after(Place(training.done + 1, epoch + 1, ends_epoch))
        due = any(self.due) or ends_epoch
        return Wishes(bool(self.reason or request.signal), due, request.signal)

    def _after(self, step: Step) -> None:
        """Record, evaluate and save what is due after a step; saving comes last."""
        self.last = step
        self.recorder.step_ended(step)
        if step.ends_epoch:
            self.stopping.update(self.recorder.epoch_ended(step))
            self.recorder.epoch = RunningEpoch(self.training.columns)
            if self.due.samples:
                self.recorder.sampled(step.epoch)
        improved = self.due.evaluation and self._evaluate(step)
        if improved or self.due.checkpoint:
            self._save()
        if self.training.agreed.pause:
            self.training.world.order("train")

    def _evaluate(self, step: Step) -> bool:
        """Score the evaluated split; return whether the weights are the best so far."""
        record = self.recorder.evaluated(step)
        self.intervals.evaluated()
        self.stopping.update(record)
        tell(self.parts, record.loss)
        return self.best.improved_by(record)

    @property
    def reason(self) -> str:
        """Why the run ends before its last step; empty: it does not."""
        if (limit := self.resolved.train.max_minutes) is not None and self.minutes >= limit:
            return f"{limit:g} minutes are over"
        return self.stopping.reason or self.observers.stopped_by

    @property
    def _status(self) -> str:
        """How a run has ended that neither failed nor was interrupted."""
        if not self.observers.stopped_by or self.training.done == self.parts.total_steps:
            return "finished"
        return PRUNED if self.observers.pruned else "stopped"

    def _finish(self, request: Request) -> None:
        """Save, and write the last rows, unless the run was interrupted."""
        self._save()
        if request.signal:
            self.training.world.order("end")
            error = StoppedByHand if request.signal == signal.SIGINT else Interrupted
            raise error(self.training.done, self._resumption(), request.exit_code)
        if self.reason:
            log.info("The run ends after step %d: %s", self.training.done, self.reason)
        if self._status == PRUNED:  # its rows are the first ones of the whole run
            return
        last = self.last
        if last is None:  # a run of no steps
            self.recorder.sampled(epoch=0)
            return
        if not last.ends_epoch:
            self.recorder.epoch_ended(last)
        due = self.intervals.after(Place(last.number, last.epoch, last.ends_epoch))
        if self.resolved.evaluation and not due.evaluation:
            self.best.improved_by(self.recorder.evaluated(last))
            self._prune()  # the best until now need not be kept
        if not due.samples:
            self.recorder.sampled(last.epoch)
        self.doubt = doubt(self.resolved, self.parts.model, self.recorder.last_rows())
        warn_at_the_end(self.description["corpus"], self.doubt)

    # -- checkpoints

    def _save(self) -> None:
        """Save a checkpoint, unless this step has one already."""
        step = self.training.done
        if self._saved_step == step:
            return
        self.training.check()  # no checkpoint after a step that was not finite
        path = save_checkpoint(self.folder.checkpoints, self._checkpoint())
        self._prune()
        self._saved_step = step
        self.intervals.saved()
        self.recorder.saved(step, path)

    def _prune(self) -> None:
        """Keep the latest checkpoints and the best one."""
        keep = self.resolved.train.checkpoint.keep
        old = steps_saved(self.folder.checkpoints)[:-keep]
        remove_checkpoints(self.folder.checkpoints, [s for s in old if s != self.best.step])

    def _checkpoint(self) -> Checkpoint:
        self.training.world.order("state")
        model = self.parts.model
        state = {
            "tokenizer": self.parts.prepared.tokenizer.state_dict(),
            "counts": torch.from_numpy(self.parts.prepared.vocabulary.counts),
            "training": self.training.state_dict(),
            "epoch": self.recorder.epoch.state_dict(),
            "last": self.last and self.last.state_dict(),
            "best": self.best.state_dict(),
            "stopping": self.stopping.state_dict(),
            "minutes": self.minutes,
            "observers": self.observers.state_dict(),
            "files": self.folder.sync(),
        }
        if self.training.has_other_weights:
            with self.training.trained():
                state["weights"] = {name: t.clone() for name, t in model.state_dict().items()}
        with self.training.evaluating():
            weights = {name: t.clone() for name, t in model.state_dict().items()}
        return Checkpoint(self.training.done, weights, state)

    def load(self, checkpoint: Checkpoint, *, total_steps_changed: bool) -> None:
        """Continue from a checkpoint; rows written after it are dropped."""
        state = checkpoint.state
        self.training.load_weights(state.get("weights", checkpoint.weights))
        self.training.load_state_dict(state["training"], total_steps_changed)
        self.recorder.epoch = RunningEpoch.from_state(state["epoch"], self.training.columns)
        last = state["last"]
        self.last = last and Step.from_state(last)
        self.best = self._saved_best(Best(**state["best"]))
        self.stopping.load_state_dict(state["stopping"])
        self._minutes_before = float(state["minutes"])
        self.observers.load_state_dict(state["observers"])
        self.folder.cut_back(state["files"])
        self.recorder.read_rows()
        self._saved_step = checkpoint.step

    def _saved_best(self, best: Best) -> Best:
        """Return the best at the end of the run if only that one's checkpoint was kept."""
        saved = steps_saved(self.folder.checkpoints)
        last = Best(**self.description.get("best", {}))
        return last if best.step not in saved and last.step in saved else best

    # -- what is due when

    @property
    def minutes(self) -> float:
        """Wall time of the run, including that before it was resumed."""
        return self._minutes_before + (time.monotonic() - self._start) / 60

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """Write to `run.json` how the run ended, and tell the observers."""
        status = "failed"
        try:
            yield
            status, reason = self._status, self.reason
        except (KeyboardInterrupt, Interrupted) as error:
            status, reason = "interrupted", str(error)
            raise
        except BaseException as error:
            reason = f"{type(error).__name__}: {error}"
            self._log_failure(getattr(error, "resume_with", ()))
            raise
        finally:
            self.recorder.ended(status)
            self.description |= {
                "status": status,
                "ended": now(),
                "step": self.training.done,
                "best": self.best.state_dict(),
                "reached": self.recorder.reached.as_json(),
                "ended_because": reason or None,
                "doubt": self.doubt or None,
                "observer_failures": self.observers.failures,
            }
            with disk_errors(self.folder.path):
                self.folder.describe(self.description)

    def _log_failure(self, resume_with: Sequence[Override]) -> None:
        """Log where the run stopped and how to resume it; the traceback goes to `log.txt`."""
        path, done = self.folder.path, self.training.done
        hint = "It has no checkpoint yet (train.checkpoint.every says when), so it would start anew"
        if self._saved_step >= 0:
            hint = f"To go on from step {self._saved_step}: {self._resumption(resume_with)}"
        log.error("The run in %s stopped after step %d. %s", path, done, hint, exc_info=True)

    def _resumption(self, resume_with: Sequence[Override] = ()) -> Resumption:
        """What resumes this run."""
        return Resumption(self.folder.path, resume_with, self.description["plugin_options"])
