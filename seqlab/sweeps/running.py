"""Run the experiment of a trial with one seed, by the functions that everybody uses."""

from __future__ import annotations

from dataclasses import dataclass

from seqlab.registry import Registry
from seqlab.runs.folder import RunFolder
from seqlab.runs.resuming import resume
from seqlab.runs.running import run
from seqlab.runs.trial import Trial
from seqlab.sweeps.job import Job
from seqlab.sweeps.space import Point


def begin_run(
    job: Job, registry: Registry, point: Point, index: int, folder: RunFolder, trial: Trial | None
) -> None:
    """Run a trial with one of its seeds, by `index` from 0."""
    experiment = job.sweep.experiment_at(point, index, job.threads)
    run(experiment, run_dir=folder.path, registry=registry, trial=trial)


@dataclass(frozen=True)
class Runner:
    """Runs trials in this process.

    Args:
        job: of the worker.
        registry: the plugins, imported.
    """

    job: Job
    registry: Registry
    ends_at_failure = False
    """Whether a failure leaves processes behind that cannot run another trial."""

    def begin(self, point: Point, index: int, folder: RunFolder, trial: Trial) -> None:
        begin_run(self.job, self.registry, point, index, folder, trial)

    def go_on(self, folder: RunFolder, trial: Trial) -> None:
        """Resume a run."""
        resume(folder.path, registry=self.registry, trial=trial)
