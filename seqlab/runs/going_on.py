"""Go on with a run that is opened and locked, from a checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from seqlab import atomic
from seqlab.atomic import write_atomic
from seqlab.data.progress import Progress
from seqlab.distributed.world import World
from seqlab.errors import Override, UsageError
from seqlab.experiment import read_experiment
from seqlab.files import read
from seqlab.registry import Registry, Resolved
from seqlab.runs.building import Parts, build
from seqlab.runs.description import describe_run, environment
from seqlab.runs.error_messages import disk_errors
from seqlab.runs.folder import RunFolder
from seqlab.runs.following import Start, lead, start_of
from seqlab.runs.observers import Observers
from seqlab.runs.plugins_used import resolve_again
from seqlab.runs.running import code_folders, resolved_text
from seqlab.runs.saved_parts import load_latest, restored_tokenizer
from seqlab.runs.session import Session
from seqlab.runs.stopping import Stopping
from seqlab.runs.trial import Trial
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


@dataclass(frozen=True)
class Before:
    """A run as it was left, and what changes.

    Args:
        folder: of the run.
        description: the content of its `run.json`.
        overrides: what changes.
        checkpoint: the step to go on from; None: the latest.
        trial: what a sweep adds to a run of its own.
    """

    folder: RunFolder
    description: dict[str, Any]
    overrides: tuple[str, ...] = ()
    checkpoint: int | None = None
    trial: Trial | None = None


def resolved_of(
    folder: RunFolder, description: dict[str, Any], registry: Registry, changes: Sequence[str] = ()
) -> Resolved:
    """Return the experiment of a run, with changes."""
    name = description["name"]
    experiment = read_experiment(folder.resolved, changes, name=name, record=True)
    return resolve_again(experiment, registry, folder)


def go_on(
    run: Before, resolved: Resolved, registry: Registry, world: World, progress: Progress | None
) -> None:
    """Train a run to its end."""
    folder, description = run.folder, run.description
    atomic.remove_leftovers(folder.path)
    remove_leftovers(folder.checkpoints)
    if progress is not None:
        progress("Loading the checkpoint", 0, None)
    saved = load_latest(folder, run.checkpoint)
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
        world=world,
    )
    if progress is not None:
        progress("Training", 0, None)
    _train(run, resolved, registry, parts, saved)


def _start(
    folder: RunFolder, parts: Parts, saved: Checkpoint | None, total_steps_changed: bool
) -> Start:
    """What the other processes begin with."""
    start = start_of(parts, folder.path)
    if saved is None:
        return start
    training = saved.state["training"]
    return replace(start, training=training, total_steps_changed=total_steps_changed)


def _train(
    run: Before, resolved: Resolved, registry: Registry, parts: Parts, saved: Checkpoint | None
) -> None:
    folder, description = run.folder, run.description
    done = saved.step if saved else 0
    overrides = tuple(description["overrides"]) + run.overrides
    code = code_state(code_folders(resolved, registry))
    git = code.git or description.get("git")
    after = describe_run(resolved, registry, parts, overrides=overrides, git=git)
    if saved is not None:
        _check_length(folder, resolved, saved, parts.total_steps, description["status"])
        if description["status"] == "finished":
            _check_limits(folder, resolved, saved)
    _log_changes(description, after)
    changed = parts.total_steps != description["total_steps"]
    if changed:
        log.warning(
            "The run now has %d steps instead of %d: schedule '%s' is computed for all of them, and"
            " continues from where it would be at step %d",
            parts.total_steps, description["total_steps"], resolved.schedule.component.name, done
        )  # fmt: skip
    kept = {k: description[k] for k in ("id", "started", "best", "init_from") if k in description}
    now = after | kept | {"resumed": [*description.get("resumed", []), done]}
    asked = {k: v for k, v in description["corpus"].items() if k in ("asked_for", "stand_in")}
    now["corpus"] |= asked  # resolved.yaml has only the corpus that was used
    session = Session(resolved, parts, folder, Observers(resolved.observers, run.trial), now)
    with disk_errors(folder.path):
        if saved is not None:
            with checkpoint_errors(checkpoint_path(folder.checkpoints, saved.step)):
                session.load(saved, total_steps_changed=changed)
            later = (step for step in steps_saved(folder.checkpoints) if step > saved.step)
            remove_checkpoints(folder.checkpoints, later)
        else:
            folder.cut_back(dict.fromkeys((folder.metrics.name, folder.samples.name), 0))
        write_atomic(folder.resolved, resolved_text(resolved, parts))
        _write_patch(folder, code, description.get("git"))
        folder.describe(now)
    log.info("Resuming %s after step %d", folder.path, done)
    lead(parts.training.world, parts, _start(folder, parts, saved, changed))
    if saved is not None:  # the parts have it now, and it may be large
        saved.weights.clear()
        saved.state.clear()
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
