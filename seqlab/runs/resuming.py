"""Resume a run from a checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from seqlab import atomic
from seqlab.arguments import LARGEST, named_path, whole_number
from seqlab.atomic import write_atomic
from seqlab.data.progress import Progress
from seqlab.errors import Override, SeqlabError, UsageError
from seqlab.experiment import read_experiment
from seqlab.experiment.overrides import Overrides, as_overrides
from seqlab.files import read
from seqlab.interrupts import forbidding_exit
from seqlab.registry import Registry, Resolved, load_plugins
from seqlab.registry.catalogue import NotFound
from seqlab.registry.given import Given
from seqlab.registry.option_values import suggest_close
from seqlab.runs.building import Parts, build
from seqlab.runs.description import describe_run, environment, experiment_hash
from seqlab.runs.error_messages import disk_errors
from seqlab.runs.folder import ROOT, RunFolder
from seqlab.runs.loaded_run import Run
from seqlab.runs.lock import locked
from seqlab.runs.logs import run_log, write_to
from seqlab.runs.lookup import all_runs, find_run
from seqlab.runs.observers import Observers
from seqlab.runs.plugins_used import resolve_again
from seqlab.runs.running import code_folders, deterministic, resolved_text
from seqlab.runs.saved_parts import load_latest, restored_tokenizer
from seqlab.runs.session import Session
from seqlab.runs.stopping import Stopping
from seqlab.runs.uncommitted import MAX_RECORD, CodeState, code_state
from seqlab.training.checkpoint import (
    Checkpoint,
    checkpoint_errors,
    checkpoint_path,
    remove_checkpoints,
    remove_leftovers,
    steps_saved,
)

log = logging.getLogger(__name__)

CHANGEABLE = (
    *("train.epochs", "train.steps", "train.max_minutes", "train.checkpoint", "train.stop"),
    *("train.on_nonfinite", "train.cuda_graphs", "train.activation_checkpointing"),
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

    Raises:
        SeqlabError: with one clear message; its `exit_code` is the command's.
    """
    overrides = as_overrides(overrides)
    folder = find_run(run, named_path(root, "root"))
    folder.check_kinds()
    if checkpoint is not None:
        checkpoint = whole_number(checkpoint, "checkpoint", 0, LARGEST)
    with locked(folder.path):
        description = folder.description()
        if "exported" in description:
            raise UsageError(
                f"{folder.path}: is an export, without what training needs to go on; start a new"
                f" run from its weights: {Override(f'train.init_from={folder.path}')}"
            )
        registry = registry if registry is not None else load_plugins(given=plugins)
        _check_overrides(overrides, _file_options(description["corpus"]["name"], registry))
        changes = [*_unset_length(overrides), *overrides]
        name = description["name"]
        experiment = read_experiment(folder.resolved, changes, name=name, record=True)
        resolved = resolve_again(experiment, registry, folder)
        with run_log() as handler, deterministic(resolved.train.deterministic):
            write_to(handler, folder.log)
            atomic.remove_leftovers(folder.path)
            remove_leftovers(folder.checkpoints)
            if progress is not None:
                progress("Loading the checkpoint", 0, None)
            saved = load_latest(folder, checkpoint)
            tokenizer = None
            if saved is not None:
                path = checkpoint_path(folder.checkpoints, saved.step)
                vocabulary = description["vocabulary"]
                tokenizer = restored_tokenizer(resolved.tokenizer, saved, vocabulary, path)
            parts = build(
                resolved,
                tokenizer,
                progress=progress,
                fingerprint=description["corpus"]["fingerprint"],
                later_weights=saved.weights if saved else None,
            )
            if progress is not None:
                progress("Training", 0, None)
            _resume(folder, resolved, registry, parts, saved, description, tuple(overrides))
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


def _resume(
    folder: RunFolder,
    resolved: Resolved,
    registry: Registry,
    parts: Parts,
    saved: Checkpoint | None,
    before: dict[str, Any],
    overrides: tuple[str, ...],
) -> None:
    done = saved.step if saved else 0
    overrides = tuple(before["overrides"]) + overrides
    code = code_state(code_folders(resolved, registry))
    git = code.git or before.get("git")
    after = describe_run(resolved, registry, parts, overrides=overrides, git=git)
    if saved is not None:
        _check_length(folder, resolved, saved, parts.total_steps, before["status"])
        if before["status"] == "finished":
            _check_limits(folder, resolved, saved)
    _log_changes(before, after)
    changed = parts.total_steps != before["total_steps"]
    if changed:
        log.warning(
            "The run now has %d steps instead of %d: schedule '%s' is computed for all of them, and"
            " continues from where it would be at step %d",
            parts.total_steps, before["total_steps"], resolved.schedule.component.name, done
        )  # fmt: skip
    kept = {key: before[key] for key in ("id", "started", "best", "init_from") if key in before}
    description = after | kept | {"resumed": [*before.get("resumed", []), done]}
    asked = {k: v for k, v in before["corpus"].items() if k in ("asked_for", "stand_in")}
    description["corpus"] |= asked  # resolved.yaml has only the corpus that was used
    session = Session(resolved, parts, folder, Observers(resolved.observers), description)
    with disk_errors(folder.path):
        if saved is not None:
            with checkpoint_errors(checkpoint_path(folder.checkpoints, saved.step)):
                session.load(saved, total_steps_changed=changed)
            later = (step for step in steps_saved(folder.checkpoints) if step > saved.step)
            remove_checkpoints(folder.checkpoints, later)
        else:
            folder.cut_back(dict.fromkeys((folder.metrics.name, folder.samples.name), 0))
        write_atomic(folder.resolved, resolved_text(resolved, parts))
        _write_patch(folder, code, before.get("git"))
        folder.describe(description)
    log.info("Resuming %s after step %d", folder.path, done)
    session.run()


def _write_patch(folder: RunFolder, code: CodeState, before: Any) -> None:
    """Write what is not committed now; the log says that it was something else before."""
    if code.git is None:  # the run goes on elsewhere
        return
    old = b""
    with suppress(FileNotFoundError):
        old = read(folder.patch, MAX_RECORD)
    if code.git == before and code.patch == old:
        return
    if code.patch or old:
        write_atomic(folder.patch, code.patch)
    log.warning(
        "The repository is not as it was before (commit %s): run.json and %s are of now",
        before["commit"] if before else "none", folder.patch.name
    )  # fmt: skip


def _check_length(
    folder: RunFolder, resolved: Resolved, saved: Checkpoint, total_steps: int, status: str
) -> None:
    """Refuse to resume a run that has all of its steps, unless it was killed before its end."""
    if saved.step > total_steps or (saved.step == total_steps and status == "finished"):
        length = "epochs" if resolved.train.steps is None else "steps"
        has = "all" if saved.step == total_steps else f"{saved.step} steps, which is more than all"
        raise UsageError(
            f"{folder.path}: has {has} of its {total_steps} steps; to go on, say"
            f" {Override(f'train.{length}=N')}"
        )


def _check_limits(folder: RunFolder, resolved: Resolved, saved: Checkpoint) -> None:
    """Refuse to resume a run that would stop at once, by `train.stop` or `train.max_minutes`."""
    stopping = Stopping(resolved.train.stop)
    limit = resolved.train.max_minutes
    with checkpoint_errors(checkpoint_path(folder.checkpoints, saved.step)):
        stopping.load_state_dict(saved.state["stopping"])
        over = limit is not None and saved.state["minutes"] >= limit
    reason = stopping.reason or (f"{limit:g} minutes are over" if over else "")
    if reason:
        raise UsageError(
            f"{folder.path}: has ended: {reason}; to go on, change that, as with"
            f" {Override('train.max_minutes=null' if over else 'train.stop=null')}"
        )


def _log_changes(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Log what changed in the environment, and what that means for the numbers."""
    old, new = environment(before), environment(after)
    changed = [key for key in old if old[key] != new.get(key, old[key])]
    for key in changed:
        log.warning("%s was %s and is now %s", key, old[key] or "none", new[key] or "none")
    sources = {plugin["name"]: plugin["source_sha256"] for plugin in after["plugins"]}
    rewritten = [
        f"plugin '{plugin['name']}'"
        for plugin in before["plugins"]
        if sources.get(plugin["name"], plugin["source_sha256"]) != plugin["source_sha256"]
    ]
    if rewritten:
        log.warning(
            "The source has changed: %s. So the numbers that follow may be those of another model",
            ", ".join(rewritten),
        )
    elif changed:
        log.warning("So the run continues correctly, but its numbers may differ in the last bits")
