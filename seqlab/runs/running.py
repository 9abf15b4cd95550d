"""Run an experiment."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import Any

from seqlab.arguments import named_path
from seqlab.atomic import remove_leftovers, sync_folder, write_synced
from seqlab.data.progress import Progress
from seqlab.distributed.launched import launched
from seqlab.distributed.process_world import ProcessWorld
from seqlab.distributed.settings import check_launch_of, resolve_for
from seqlab.distributed.world import World
from seqlab.errors import CheckpointError, UsageError
from seqlab.experiment import Experiment, read_experiment
from seqlab.experiment.overrides import Overrides
from seqlab.experiment.yaml12 import dump_yaml
from seqlab.interrupts import forbidding_exit
from seqlab.registry import Registry, Resolved, load_plugins, resolve
from seqlab.registry.given import Given
from seqlab.remedies import Argument
from seqlab.runs.building import DifferentModel, Parts, build
from seqlab.runs.calls import Workers, call_on, packed
from seqlab.runs.comparison import model_difference
from seqlab.runs.description import describe_run, used_plugins, used_settings
from seqlab.runs.dry_run import check_parts
from seqlab.runs.folder import (
    ROOT,
    RunFolder,
    as_json,
    check_free,
    choose_path,
    new_run_folder,
)
from seqlab.runs.following import dismiss, follow, lead, start_of
from seqlab.runs.initial_weights import FittingWeights
from seqlab.runs.installed import installed_packages
from seqlab.runs.launches import check_launch, run_of_launch, was_ended_by
from seqlab.runs.loaded_run import Run, open_run
from seqlab.runs.lock import locked
from seqlab.runs.logs import run_log, write_to
from seqlab.runs.observers import Observers
from seqlab.runs.session import Session
from seqlab.runs.together import together
from seqlab.runs.trial import Trial, keep_trial
from seqlab.runs.uncommitted import CodeState, code_state
from seqlab.training.profiling import Profile

log = logging.getLogger(__name__)

MAX_COUNTED = 100_000_000  # targets; beyond these it takes too long to count the untrained ones


@forbidding_exit()
def run(
    experiment: Experiment | str | Path | Mapping[str, Any],
    *,
    overrides: Overrides = (),
    run_dir: str | Path | None = None,
    root: str | Path = ROOT,
    plugins: Sequence[Given] = (),
    registry: Registry | None = None,
    progress: Progress | None = None,
    profile: bool = False,
    workers: int = 1,
    max_restarts: int = 0,
    trial: Trial | None = None,
) -> Run:
    """Run an experiment: what `seqlab run` does.

    Args:
        experiment: a file, a mapping, or an `Experiment`.
        overrides: a mapping such as {"optimizer.lr": 0.01, "train": {"epochs": 2}}, or a list of
            `KEY=VALUE`.
        run_dir: the folder of the run; None: a new one under `root`.
        root: the folder of all runs.
        plugins: components without a file: classes, whose kind their methods show, and mappings
            such as {"cells": {"mine": factory}}.
        registry: all plugins; None: those that are installed or in `plugins/`, and `plugins`.
        progress: reports what is built, and how much of the corpus is read; None: to the log.
        profile: measure the parts of a step: `profile` in run.json, in milliseconds per step, and
            a trace of some steps in `profile.json`.
        workers: compute on so many processes of this machine, which are started anew: the same
            run, to the bit.
        max_restarts: with `workers`, how often to go on from the last checkpoint after a failure.
        trial: what a sweep adds to a run of its own.

    Raises:
        SeqlabError: with one clear message; its `exit_code` is the command's.
    """
    asked_for = Workers.asked_for(workers, max_restarts)
    if isinstance(experiment, Experiment):
        experiment = experiment.overridden(overrides)
    else:
        experiment = read_experiment(experiment, overrides)
    run_dir = named_path(run_dir, "run_dir") if run_dir is not None else None
    root = named_path(root, "root")
    here = launched()
    if run_dir is not None and (here is None or here.is_new):
        check_free(run_dir)
    registry = registry if registry is not None else load_plugins(given=plugins)
    if asked_for is not None:
        return _run_on(asked_for, experiment, run_dir, root, registry, profile)
    check_launch(here, run_dir)
    experiment, resolved = resolve_for(here, experiment, registry)
    with run_log() as handler, together(here, resolved) as world:
        if isinstance(world, ProcessWorld) and world.rank:
            return Run(RunFolder(follow(resolved, world)), registry)
        if here is not None and (earlier := run_of_launch(here, run_dir, root)):
            _go_on(earlier, handler, registry, world, progress)
            return Run(earlier, registry)
        for notice in resolved.notices:
            log.warning(notice)
        if progress is not None:
            progress("Checking the experiment", 0, None)
        check_parts(resolved)
        parts = _build(resolved, registry, root, progress, world)
        observers = Observers(resolved.observers, trial)
        path = choose_path(experiment.name, run_dir, root)
        if run_dir is None:
            remove_leftovers(path.parent)
        code = code_state((experiment.tree.origin.folder, *code_folders(resolved, registry)))
        with new_run_folder(path) as temporary:
            keep_trial(temporary.trial, trial)
            description = _write_first_files(experiment, resolved, registry, parts, code, temporary)
        folder = RunFolder(path)
        with locked(path):
            write_to(handler, folder.log)
            _log_untrained_targets(resolved, parts)
            lead(world, parts, start_of(parts, path))
            profiler = Profile(parts.training.device, folder.profile) if profile else None
            if progress is not None:
                progress("Training", 0, None)
            Session(resolved, parts, folder, observers, description, profiler).run()
    return Run(folder, registry)


def _run_on(
    workers: Workers,
    experiment: Experiment,
    run_dir: Path | None,
    root: Path,
    registry: Registry,
    profile: bool,
) -> Run:
    """Run an experiment in several processes, once it is known to be valid."""
    resolved = resolve(experiment, registry)
    check_launch_of(workers.number, resolved)
    if profile:
        raise UsageError(f"{Argument('profile')}: is for a run of one process")
    path = choose_path(experiment.name, run_dir, root).absolute()
    arguments = {
        "experiment": packed(experiment, resolved),
        "run_dir": str(path),
        "root": str(root),
    }
    call_on(workers, "run", arguments, registry)
    return Run(RunFolder(path), registry)


def _go_on(
    folder: RunFolder,
    handler: MemoryHandler,
    registry: Registry,
    world: World,
    progress: Progress | None,
) -> None:
    """Go on with the run that was begun by an earlier attempt of this launch."""
    from seqlab.runs.going_on import Before, go_on, resolved_of

    with locked(folder.path):
        write_to(handler, folder.log)
        description = folder.description()
        if was_ended_by(launched(), description):
            dismiss(world, folder.path)
            return
        resolved = resolved_of(folder, description, registry)
        go_on(Before(folder, description), resolved, registry, world, progress)


def _build(
    resolved: Resolved, registry: Registry, root: Path, progress: Progress | None, world: World
) -> Parts:
    """Build all parts, with vocabulary and weights of the run in `train.init_from`, if any."""
    initial = resolved.train.initial
    if initial is None:
        return build(resolved, progress=progress, world=world)
    try:
        other = open_run(initial.run, root=root, registry=registry)
    except UsageError as error:  # there is no such run
        raise UsageError(str(resolved.complaint(str(error), "train", "init_from"))) from None
    if initial.take == "fitting":
        begin = FittingWeights(resolved, other, mean=initial.new_tokens == "mean")
        return build(resolved, progress=progress, begin=begin, world=world)
    saved = other.checkpoint
    try:
        return build(
            resolved, other.tokenizer_as(resolved.tokenizer), saved.weights, progress, world=world
        )
    except DifferentModel:
        difference = model_difference(other, resolved)
        if not difference:
            raise
        message = f"{other.path} has another model: {difference}; use the same, or leave this out"
        raise CheckpointError(str(resolved.complaint(message, "train", "init_from"))) from None


def _write_first_files(
    experiment: Experiment,
    resolved: Resolved,
    registry: Registry,
    parts: Parts,
    code: CodeState,
    folder: RunFolder,
) -> dict[str, Any]:
    """Write everything that is known before the first step; return the description."""
    overrides = experiment.overrides
    description = describe_run(resolved, registry, parts, overrides=overrides, git=code.git)
    write_synced(folder.experiment, experiment.source.encode("utf-8", "replace"))
    write_synced(folder.resolved, resolved_text(resolved, parts))
    write_synced(folder.packages, installed_packages().encode("utf-8", "replace"))
    if code.patch:
        write_synced(folder.patch, code.patch)
    copies = {
        plugin.path.name: plugin.source
        for plugin in used_plugins(resolved, registry)
        if not plugin.distribution and plugin.path is not None
    }
    if copies:
        folder.plugins.mkdir()
        for name, data in copies.items():
            write_synced(folder.plugins / name, data)
        sync_folder(folder.plugins)
    for rows in (folder.metrics, folder.samples):
        write_synced(rows, b"")
    write_synced(folder.path / "run.json", as_json(description))
    return description


def code_folders(resolved: Resolved, registry: Registry) -> list[Path]:
    """Return the folders of dropped-in plugins that are used, and the working folder."""
    plugins = used_plugins(resolved, registry)
    paths = [plugin.path for plugin in plugins if not plugin.distribution]
    return [*(path.parent for path in paths if path is not None), Path.cwd()]


def resolved_text(resolved: Resolved, parts: Parts) -> bytes:
    """Return the resolved experiment as YAML, with the corpus that was really used."""
    return dump_yaml(used_settings(resolved, parts)).encode()


def _log_untrained_targets(resolved: Resolved, parts: Parts) -> None:
    targets = len(parts.prepared.tokens) - 1
    if targets > MAX_COUNTED:
        return
    missed = sum(map(len, parts.sampler.left_out(0)))
    if missed:
        log.info(
            "An epoch trains %s of %s targets; sampler '%s' leaves out the rest.",
            f"{targets - missed:,}", f"{targets:,}", resolved.sampler.component.name
        )  # fmt: skip
