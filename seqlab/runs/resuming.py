"""A run folder in -> the same run, further on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqlab import atomic
from seqlab.arguments import LARGEST, named_path, whole_number
from seqlab.atomic import write_atomic
from seqlab.contracts import Tokenizer
from seqlab.data.progress import Progress
from seqlab.errors import CheckpointError, SeqlabError, UsageError
from seqlab.experiment import read_experiment
from seqlab.interrupts import forbidding_exit
from seqlab.registry import Registry, Resolved, load_plugins
from seqlab.registry.catalogue import NotFound
from seqlab.runs.building import Parts, build
from seqlab.runs.description import describe_run, environment, experiment_hash
from seqlab.runs.disk_errors import disk_errors
from seqlab.runs.folder import ROOT, RunFolder
from seqlab.runs.loaded_run import Run
from seqlab.runs.lock import locked
from seqlab.runs.logs import run_log, write_to
from seqlab.runs.lookup import all_runs, find_run
from seqlab.runs.observers import Observers
from seqlab.runs.plugins_used import resolve_again
from seqlab.runs.running import deterministic, resolved_text
from seqlab.runs.saved_tokenizer import restored_tokenizer
from seqlab.runs.session import Session
from seqlab.runs.stopping import Stopping
from seqlab.training.checkpoint import (
    Checkpoint,
    checkpoint_path,
    drop_checkpoints_after,
    latest_checkpoint,
    remove_leftovers,
    understood,
)

log = logging.getLogger(__name__)

CHANGEABLE = (
    *("train.epochs", "train.steps", "train.max_minutes", "train.checkpoint", "train.stop"),
    *("train.on_nonfinite", "train.cuda_graphs", "evaluation", "samples", "observers"),
)


@forbidding_exit()
def resume(
    run: str | Path,
    *,
    overrides: Sequence[str] = (),
    checkpoint: int | None = None,
    root: str | Path = ROOT,
    registry: Registry | None = None,
    progress: Progress | None = None,
) -> Run:
    """Go on with a run from its latest checkpoint that is whole: what `seqlab resume` does.

    Args:
        run: a folder, a name (its latest run), the beginning of an id, or `latest`.
        overrides: `KEY=VALUE`; what can change is how long the run goes on, what it reports, and
            where its text lies.
        checkpoint: the step of the checkpoint to go on from; None: the latest.
        root: where runs are collected.
        registry: the plugins; None: all that can be found from here.
        progress: is told how far reading the corpus has come; None: the log is.

    Raises:
        SeqlabError: with one clear message; its `exit_code` is the command's.
    """
    if isinstance(overrides, str):
        raise UsageError(f"overrides should be a list of KEY=VALUE, not the text {overrides!r}")
    folder = find_run(run, named_path(root, "root"))
    folder.check_kinds()
    checkpoint = (
        checkpoint if checkpoint is None else whole_number(checkpoint, "checkpoint", 0, LARGEST)
    )
    with locked(folder.path):
        description = folder.description()
        registry = registry if registry is not None else load_plugins()
        _check_overrides(overrides, _files_of(description["corpus"]["name"], registry))
        wanted = [*_other_length(overrides), *overrides]
        experiment = read_experiment(folder.resolved, wanted, name=description["name"], record=True)
        resolved = resolve_again(experiment, registry, folder)
        with run_log() as handler, deterministic(resolved.train.deterministic):
            write_to(handler, folder.log)
            atomic.remove_leftovers(folder.path)
            remove_leftovers(folder.checkpoints)
            saved = _read(folder, checkpoint)
            tokenizer = _tokenizer(folder, resolved, saved, description)
            parts = build(
                resolved,
                tokenizer,
                progress=progress,
                fingerprint=description["corpus"]["fingerprint"],
                fitting=saved.weights if saved else None,
            )
            _resume(folder, resolved, registry, parts, saved, description, tuple(overrides))
    return Run(folder, registry)


def runs_of(name: str, resolved: Resolved, run_dir: Path | None, root: Path) -> list[RunFolder]:
    """Return the runs of the same experiment, the oldest first.

    Args:
        name: of the experiment.
        resolved: with everything filled in; a run of any other is not one.
        run_dir: look at this folder only.
        root: where runs are collected.
    """
    folders = all_runs(root) if run_dir is None else [RunFolder(run_dir)]
    wanted = name, experiment_hash(resolved)
    return [folder for folder in folders if _is_of(folder, wanted)]


def _is_of(folder: RunFolder, wanted: tuple[str, str]) -> bool:
    try:
        known = folder.description()
    except SeqlabError:  # damaged, or no run: not the one, and not in the way
        return False
    return (known["name"], known["experiment_sha256"]) == wanted


def _files_of(corpus: str, registry: Registry) -> list[str]:
    """Keys that say where a text lies; whether it is the same is told by its fingerprint."""
    try:
        options = registry.find("corpus", corpus).signature.options.values()
    except NotFound:  # told when the experiment is resolved
        return []
    return [f"corpus.{option.name}" for option in options if option.names_files]


def _check_overrides(overrides: Sequence[str], files: Sequence[str]) -> None:
    changeable = (*CHANGEABLE, *files)
    for override in overrides:
        key = override.partition("=")[0].strip()
        if not any(key == name or key.startswith(f"{name}.") for name in changeable):
            raise UsageError(
                f"--set {override}: a run that is resumed keeps what it was begun with; what can"
                f" change is {', '.join(changeable)}. For anything else begin a new run"
                " (train.init_from takes the weights)"
            )


def _other_length(overrides: Sequence[str]) -> list[str]:
    """Who gives a run epochs takes its steps away, and the other way round."""
    given = {override.partition("=")[0].strip() for override in overrides}
    pairs = (("train.epochs", "train.steps"), ("train.steps", "train.epochs"))
    return [f"{other}=null" for key, other in pairs if key in given and other not in given]


def _read(folder: RunFolder, step: int | None) -> Checkpoint | None:
    """The checkpoint to go on from; None: the run came to an end before its first one."""
    checkpoint, damaged = latest_checkpoint(folder.checkpoints, step)
    if damaged and checkpoint is None:
        raise CheckpointError("; ".join(damaged))
    for problem in damaged:
        log.warning("%s; the one before it is used", problem)
    return checkpoint


def _tokenizer(
    folder: RunFolder, resolved: Resolved, saved: Checkpoint | None, known: dict[str, Any]
) -> Tokenizer | None:
    """The tokenizer that was trained; None: nothing was saved yet, so it is fitted as before."""
    if saved is None:
        return None
    place = checkpoint_path(folder.checkpoints, saved.step)
    return restored_tokenizer(resolved.tokenizer, saved, known["vocabulary"], place)


def _resume(
    folder: RunFolder,
    resolved: Resolved,
    registry: Registry,
    parts: Parts,
    saved: Checkpoint | None,
    known: dict[str, Any],
    overrides: tuple[str, ...],
) -> None:
    done = saved.step if saved else 0
    found = describe_run(resolved, registry, parts, overrides=tuple(known["overrides"]) + overrides)
    if saved is not None:
        _check_length(folder, resolved, saved, parts.total_steps, known["status"])
        if known["status"] == "finished":
            _check_goes_on(folder, resolved, saved)
    _compare(known, found)
    changed = parts.total_steps != known["total_steps"]
    if changed:
        log.warning(
            "The run now has %d steps instead of %d: schedule '%s' is laid over all of them, and"
            " continues from where it would be at step %d",
            parts.total_steps, known["total_steps"], resolved.schedule.component.name, done
        )  # fmt: skip
    kept = {key: known[key] for key in ("id", "started", "best") if key in known}
    description = found | kept | {"resumed": [*known.get("resumed", []), done]}
    session = Session(resolved, parts, folder, Observers(resolved.observers), description)
    with disk_errors(folder.path):
        if saved is not None:
            with understood(checkpoint_path(folder.checkpoints, saved.step)):
                session.load(saved, total_steps_changed=changed)
            drop_checkpoints_after(folder.checkpoints, saved.step)
        else:
            folder.cut_back(dict.fromkeys((folder.metrics.name, folder.samples.name), 0))
        write_atomic(folder.resolved, resolved_text(resolved, parts))
        folder.describe(description)
    log.info("Resuming %s after step %d", folder.path, done)
    session.go()


def _check_length(
    folder: RunFolder, resolved: Resolved, saved: Checkpoint, total_steps: int, status: str
) -> None:
    """Refuse to resume a run that has all of its steps, unless it was killed before it ended."""
    if saved.step > total_steps or (saved.step == total_steps and status == "finished"):
        length = "epochs" if resolved.train.steps is None else "steps"
        has = "all" if saved.step == total_steps else f"{saved.step} steps, which is more than all"
        raise UsageError(
            f"{folder.path}: has {has} of its {total_steps} steps; to go on, say"
            f" --set train.{length}=N"
        )


def _check_goes_on(folder: RunFolder, resolved: Resolved, saved: Checkpoint) -> None:
    """Refuse to resume a run that was ended by what has not changed."""
    stopping = Stopping(resolved.train.stop)
    limit = resolved.train.max_minutes
    with understood(checkpoint_path(folder.checkpoints, saved.step)):
        stopping.load_state_dict(saved.state["stopping"])
        over = limit is not None and saved.state["minutes"] >= limit
    reason = stopping.reason or (f"{limit:g} minutes are over" if over else "")
    if reason:
        raise UsageError(
            f"{folder.path}: has ended: {reason}; to go on, change that, as with"
            f" --set train.{'max_minutes' if over else 'stop'}=null"
        )


def _compare(known: dict[str, Any], found: dict[str, Any]) -> None:
    """Say what is not as it was, and what that means for the numbers."""
    before, after = environment(known), environment(found)
    different = [key for key in before if before[key] != after.get(key, before[key])]
    for key in different:
        log.warning("%s was %s and is now %s", key, before[key] or "none", after[key] or "none")
    rewritten = _rewritten(known, found)
    if rewritten:
        log.warning(
            "Another source than the run's: %s. So what follows may be another model's numbers",
            ", ".join(f"plugin '{name}'" for name in rewritten),
        )
    elif different:
        log.warning("So the run goes on correctly, but its numbers may differ in the last bits")


def _rewritten(known: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The plugins that are still used, but have another source."""
    now = {plugin["name"]: plugin["source_sha256"] for plugin in found["plugins"]}
    before = {plugin["name"]: plugin["source_sha256"] for plugin in known["plugins"]}
    return [name for name, source in before.items() if now.get(name, source) != source]
