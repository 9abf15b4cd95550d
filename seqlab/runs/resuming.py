"""Resume a run from a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from seqlab.arguments import LARGEST, named_path, whole_number
from seqlab.data.progress import Progress
from seqlab.distributed.launched import launched
from seqlab.distributed.process_world import ProcessWorld
from seqlab.distributed.settings import check_processes
from seqlab.errors import Override, SeqlabError, UsageError
from seqlab.experiment.overrides import Overrides, as_overrides
from seqlab.interrupts import forbidding_exit
from seqlab.registry import Registry, Resolved, load_plugins
from seqlab.registry.catalogue import NotFound
from seqlab.registry.given import Given
from seqlab.registry.option_values import suggest_close
from seqlab.runs.calls import Workers, call_on
from seqlab.runs.description import experiment_hash
from seqlab.runs.folder import ROOT, RunFolder
from seqlab.runs.following import dismiss, follow
from seqlab.runs.going_on import Before, go_on, resolved_of
from seqlab.runs.launches import was_ended_by
from seqlab.runs.loaded_run import Run
from seqlab.runs.lock import locked
from seqlab.runs.logs import run_log, write_to
from seqlab.runs.lookup import all_runs, find_run
from seqlab.runs.together import together

CHANGEABLE = (
    *("train.epochs", "train.steps", "train.max_minutes", "train.checkpoint", "train.stop"),
    *("train.on_nonfinite", "train.cuda_graphs", "train.activation_checkpointing"),
    "train.sharding",
    *("evaluation", "samples", "observers"),
)


@forbidding_exit()
def resume(
    run: str | Path,
    *,
    overrides: Overrides = (),
    checkpoint: int | None = None,
    root: str | Path = ROOT,
    plugins: Sequence[Given] = (),
    registry: Registry | None = None,
    progress: Progress | None = None,
    workers: int = 1,
    max_restarts: int = 0,
) -> Run:
    """Go on with a run from its latest undamaged checkpoint: what `seqlab resume` does.

    Args:
        run: a folder, a name (its latest run), a tag, the beginning of an id, or `latest`.
        overrides: a mapping or a list of `KEY=VALUE`, for the length of the run, its reports, and
            the files of its text.
        checkpoint: the step of the checkpoint to go on from; None: the latest.
        root: the folder of all runs.
        plugins: components without a file: classes, whose kind their methods show, and mappings
            such as {"cells": {"mine": factory}}.
        registry: all plugins; None: those that are installed or in `plugins/`, and `plugins`.
        progress: reports what is built, and how much of the corpus is read; None: to the log.
        workers: compute on so many processes of this machine, which are started anew.
        max_restarts: with `workers`, how often to go on from the last checkpoint after a failure.

    Raises:
        SeqlabError: with one clear message; its `exit_code` is the command's.
    """
    asked_for = Workers.asked_for(workers, max_restarts)
    overrides = as_overrides(overrides)
    folder = find_run(run, named_path(root, "root"))
    folder.check_kinds()
    if checkpoint is not None:
        checkpoint = whole_number(checkpoint, "checkpoint", 0, LARGEST)
    if asked_for is not None:
        registry = registry if registry is not None else load_plugins(given=plugins)
        arguments = {"run": str(folder.path), "overrides": overrides, "checkpoint": checkpoint}
        call_on(asked_for, "resume", arguments, registry)
        return Run(folder, registry)
    here = launched()
    with locked(folder.path) if here is None or here.rank == 0 else nullcontext():
        description = folder.description()
        if "exported" in description:
            raise UsageError(
                f"{folder.path}: is an export, without what training needs to go on; start a new"
                f" run from its weights: {Override(f'train.init_from={folder.path}')}"
            )
        registry = registry if registry is not None else load_plugins(given=plugins)
        _check_overrides(overrides, _file_options(description["corpus"]["name"], registry))
        changes = [*_unset_length(overrides), *overrides]
        resolved = resolved_of(folder, description, registry, changes)
        check_processes(here.size if here else 1, resolved)
        with run_log() as handler, together(here, resolved) as world:
            if isinstance(world, ProcessWorld) and world.rank:
                follow(resolved, world)
            elif was_ended_by(here, description):
                dismiss(world, folder.path)
            else:
                write_to(handler, folder.log)
                before = Before(folder, description, tuple(overrides), checkpoint)
                go_on(before, resolved, registry, world, progress)
    return Run(folder, registry)


def runs_of(name: str, resolved: Resolved, run_dir: Path | None, root: Path) -> list[RunFolder]:
    """Return the runs of the same experiment in `run_dir` or under `root`, the oldest first."""
    folders = all_runs(root) if run_dir is None else [RunFolder(run_dir)]
    expected = name, experiment_hash(resolved)
    return [folder for folder in folders if _name_and_hash(folder) == expected]


def _name_and_hash(folder: RunFolder) -> tuple[str, str] | None:
    try:
        description = folder.description()
    except SeqlabError:  # damaged, or not a run
        return None
    return description["name"], description["experiment_sha256"]


def _file_options(corpus: str, registry: Registry) -> list[str]:
    """Return the options that are paths of a text; the fingerprint shows if it is the same."""
    try:
        options = registry.find("corpus", corpus).signature.options.values()
    except NotFound:  # an error once the experiment is resolved
        return []
    return [f"corpus.{option.name}" for option in options if option.names_files]


def _check_overrides(overrides: Sequence[str], files: Sequence[str]) -> None:
    changeable = (*CHANGEABLE, *files)
    for override in overrides:
        key = override.partition("=")[0].strip()
        if not any(key == name or key.startswith(f"{name}.") for name in changeable):
            raise UsageError(
                f"{Override(override)}: a run that is resumed keeps its settings; what can change"
                f" is {', '.join(changeable)}{suggest_close(key, changeable) or '.'} For anything"
                " else start a new run (train.init_from takes the weights)"
            )


def _unset_length(overrides: Sequence[str]) -> list[str]:
    """Unset `train.steps` if `train.epochs` is set, and the other way round."""
    keys = {override.partition("=")[0].strip() for override in overrides}
    pairs = (("train.epochs", "train.steps"), ("train.steps", "train.epochs"))
    return [f"{other}=null" for key, other in pairs if key in keys and other not in keys]
