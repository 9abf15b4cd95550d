"""Make a sweep, or go on with it: the trials that have not ended are run."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from seqlab.arguments import named_path
from seqlab.atomic import alone_in
from seqlab.errors import RunFailed, UsageError
from seqlab.experiment.overrides import Overrides
from seqlab.registry import Registry
from seqlab.runs.folder import ROOT
from seqlab.sweeps.folder import SweepFolder, sweep_folder
from seqlab.sweeps.hosts import present
from seqlab.sweeps.job import Job
from seqlab.sweeps.parallel import run_workers
from seqlab.sweeps.reading import read_sweep
from seqlab.sweeps.records import TrialRecord, description_of
from seqlab.sweeps.settings import Slurm
from seqlab.sweeps.study import Study
from seqlab.sweeps.sweep import Sweep

log = logging.getLogger(__name__)

Told = Callable[[str, object], None]
"""(what, of what): `begun` with the number of a trial, `ended` with its record."""


def sweep(
    file: str | Path,
    *,
    overrides: Overrides = (),
    root: str | Path = ROOT,
    registry: Registry | None = None,
    fail_fast: bool = False,
) -> SweepFolder:
    """Run a sweep to its end, or go on with it: what `seqlab sweep` does.

    The trials run in processes that are started for them: a script that calls this needs `if
    __name__ == "__main__":` around what it does.

    Args:
        file: the sweep file.
        overrides: of the experiment, or of keys of the file: a mapping, or a list of `KEY=VALUE`.
        root: the folder of all runs.
        registry: all plugins, which need not be imported; None: those that are installed or in
            `plugins/`.
        fail_fast: end with the first trial that fails.

    Raises:
        SeqlabError: with one clear message; its `exit_code` is the command's.
    """
    if registry is None:
        from seqlab.registry.kept_plugins import know_plugins

        registry = know_plugins()
    plan = read_sweep(file, registry, overrides)
    folder = prepare(plan, named_path(root, "root"))
    if isinstance(plan.settings.executor, Slurm):
        hand_over(plan, folder, registry, plan.settings.executor)
    else:
        conduct(plan, folder, registry, fail_fast=fail_fast)
    return folder


def prepare(plan: Sweep, root: Path) -> SweepFolder:
    """Make the folder of a sweep, or find it.

    Raises:
        UsageError: the folder holds another sweep, or runs that are of none.
    """
    folder = sweep_folder(plan.name, root)
    if folder.path.is_dir() and not folder.exists and any(folder.path.glob("*/run.json")):
        raise UsageError(f"{folder.path}: holds runs of no sweep; give the file another name")
    folder.make()
    with alone_in(folder.path):
        before = folder.description() if folder.exists else None
        if before is not None and before["identity"] != plan.identity:
            raise UsageError(
                f"{folder.path}: holds a sweep with another experiment, space or search, which a"
                " sweep keeps; give the file another name"
            )
        if before is None or {**before, **description_of(plan)} != before:
            folder.describe(description_of(plan), plan.source)
    return folder


def conduct(
    plan: Sweep,
    folder: SweepFolder,
    registry: Registry,
    *,
    fail_fast: bool = False,
    told: Told = lambda what, of_what: None,
) -> None:
    """Run the trials that have not ended, on this machine.

    Args:
        plan: the sweep.
        folder: of it.
        registry: says which plugins the workers load.
        fail_fast: end with the first trial that fails.
        told: is called when a trial begins or ends.

    Raises:
        SweepInterrupted: a signal came; running trials are saved.
        RunFailed: a trial failed, and that was to end it.
    """
    with Study(plan, folder) as study:
        if study.is_over():
            return
    failed: list[TrialRecord] = []

    def hear(what: str, of_what: object) -> None:
        if isinstance(of_what, TrialRecord) and of_what.state == "failed":
            failed.append(of_what)
        told(what, of_what)

    with present(folder.locks) as reach:
        if reach == "nowhere":
            log.warning("%s has no locks: trials that are killed are not resumed", folder.path)
        job = replace(job_of(plan, folder, registry), reach=reach)
        run_workers(job, plan.settings.parallel, hear, lambda: fail_fast and bool(failed))
    if fail_fast and failed:
        raise RunFailed(f"trial {failed[0].number} failed: {failed[0].reason}")


def hand_over(plan: Sweep, folder: SweepFolder, registry: Registry, slurm: Slurm) -> list[str]:
    """Submit the workers of a sweep as jobs of Slurm; return their numbers.

    Raises:
        UsageError: submitit is not installed.
        RunFailed: Slurm is not here, or refuses them.
    """
    from seqlab.sweeps.slurm import submit

    with Study(plan, folder) as study:
        if study.is_over():
            return []
    return submit(job_of(plan, folder, registry), slurm)


def job_of(plan: Sweep, folder: SweepFolder, registry: Registry) -> Job:
    """Return what each worker is given; they share the cores of this machine."""
    choice = registry.choice
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = max(1, (cores or 1) // (plan.settings.parallel * plan.settings.workers))
    return Job(
        sweep=plan,
        folder=folder.path.absolute(),
        plugins=choice.folder,
        local=choice.local,
        without=tuple(choice.without),
        threads=threads,
    )
