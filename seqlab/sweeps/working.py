"""A worker: one process that runs trials of a sweep, one after the other."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from seqlab.errors import Interrupted, SeqlabError
from seqlab.registry import load_plugins
from seqlab.runs.folder import RunFolder
from seqlab.runs.lock import in_use
from seqlab.runs.trial import PRUNED, Trial
from seqlab.sweeps.folder import SweepFolder, status_of
from seqlab.sweeps.job import Job
from seqlab.sweeps.records import TrialRecord, judge_of, record_of
from seqlab.sweeps.running import Runner
from seqlab.sweeps.scores import ENDED
from seqlab.sweeps.study import Study, Taken
from seqlab.sweeps.watching import Watcher
from seqlab.training.checkpoint import steps_saved

log = logging.getLogger(__name__)

PAUSE = 0.5  # seconds between two looks for a trial that another process leaves
MOST_TAKEN = 5  # times that a trial is taken without getting further

Tell: TypeAlias = Callable[[str, object], None]
"""(what, of what): `begun` with a number, `ended` with a record."""


class Busy(Exception):  # it says how it is
    """Somebody else has the run of a trial."""


class GivenUp(SeqlabError):
    """A trial failed, and with it this worker's processes; whoever started them may do so again."""


def work(job: Job, tell: Tell) -> None:
    """Run trials in this process until all have ended.

    Raises:
        Interrupted: a signal came; the run is saved.
        SeqlabError: the study is lost.
    """
    registry = load_plugins(job.plugins, local=job.local, without=job.without)
    folder = SweepFolder(job.folder)
    with Study(job.sweep, folder, reach=job.reach) as study:
        work_with(Worker(job, folder, study, Runner(job, registry)), tell)


def work_with(worker: Worker, tell: Tell) -> None:
    """Have a worker run trials until all have ended.

    Raises:
        GivenUp: a trial failed, after which its processes can run no other.
    """
    while worker.takes_one(tell) or not worker.study.is_over():
        pass


@dataclass(frozen=True)
class Worker:
    """Takes trials and runs them."""

    job: Job
    folder: SweepFolder
    study: Study
    runner: Runner

    def takes_one(self, tell: Tell) -> bool:
        """Run a trial to its end; return False after a pause if there is none to take."""
        with self.study.taking() as taken:
            if taken is not None:
                tell("begun", taken.number)
                try:
                    record = self._run(taken)
                except Busy:
                    time.sleep(PAUSE)
                    return True
                self.study.end(record)
                tell("ended", record)
                if record.state == "failed" and self.runner.ends_at_failure:
                    raise GivenUp(record.reason)
                return True
        time.sleep(0 if self.study.is_over() else PAUSE)
        return False

    def _run(self, taken: Taken) -> TrialRecord:
        """Run or resume what a trial lacks; return what it came to."""
        sweep = self.job.sweep
        seeds = sweep.settings.seeds
        runs = {i: self.folder.run_of(taken.number, i, seeds) for i in range(seeds)}
        if problem := self._stuck(taken, runs[0]):
            return TrialRecord(taken.number, taken.point, "failed", reason=problem)
        reason = ""
        for index, folder in runs.items():
            reason = self._run_seed(taken, index, folder)
            if reason or status_of(folder) == PRUNED:
                break
        there = {index: folder for index, folder in runs.items() if _is_run(folder)}
        if reason:
            kept = tuple(there.values())
            return TrialRecord(taken.number, taken.point, "failed", reason=reason, runs=kept)
        return judge_of(sweep, self.folder).trial(taken.number, there)

    def _run_seed(self, taken: Taken, index: int, folder: RunFolder) -> str:
        """Run a trial with one seed, unless it has ended; return why it failed, if it did."""
        sweep = self.job.sweep
        there = _is_run(folder)
        if there and status_of(folder) in (*ENDED, PRUNED, "failed"):
            return ""
        record = record_of(sweep, taken.number, index, taken.point)
        watched = index == 0 and sweep.settings.prune != "none"
        watcher = Watcher(self.study, taken.number, folder, sweep.metric) if watched else None
        trial = Trial(record, watcher)
        try:
            if there:
                self._resume(folder, trial)
            else:
                self.runner.begin(taken.point, index, folder, trial)
        except (Interrupted, Busy):
            raise
        except Exception as error:
            reason = str(error) if isinstance(error, SeqlabError) else _named(error)
            if not _is_run(folder):
                failed = record_of(sweep, taken.number, index, taken.point, reason)
                self.folder.write_failure(folder, Trial(failed, None).file)
            return reason
        return ""

    def _resume(self, folder: RunFolder, trial: Trial) -> None:
        if in_use(folder.path):
            raise Busy
        self.runner.go_on(folder, trial)

    def _stuck(self, taken: Taken, first: RunFolder) -> str:
        """Note how far a trial is; say if it is always killed there."""
        done = sum(
            _is_run(RunFolder(path)) for path in first.path.parent.glob(f"{first.path.name}*")
        )
        steps = steps_saved(first.checkpoints) if _is_run(first) else []
        how_far = f"{done} runs, step {max(steps, default=0)}"
        if taken.taken[-MOST_TAKEN:] == (how_far,) * MOST_TAKEN:
            return f"its process was killed {MOST_TAKEN} times, each time at the same place"
        self.study.note_taken(taken, how_far)
        return ""


def _is_run(folder: RunFolder) -> bool:
    return (folder.path / "run.json").is_file()


def _named(error: Exception) -> str:
    log.error("A trial failed, which is a bug in seqlab or in a plugin", exc_info=error)
    return f"{type(error).__name__}: {error}"
