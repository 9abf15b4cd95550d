"""Choose one of a run's checkpoints."""

from __future__ import annotations

import logging
from typing import Literal, TypeAlias

from seqlab.errors import CheckpointError, UsageError
from seqlab.runs.folder import RunFolder
from seqlab.training.checkpoint import Checkpoint, latest_checkpoint

log = logging.getLogger(__name__)

Which: TypeAlias = int | Literal["latest", "best"]
"""A step, the latest undamaged one, or the one with the lowest loss on the evaluated split."""


def load_latest(folder: RunFolder, step: int | None = None) -> Checkpoint | None:
    """Load the latest undamaged checkpoint, or that of `step`; None: nothing was saved yet."""
    checkpoint, damaged = latest_checkpoint(folder.checkpoints, step)
    if damaged and checkpoint is None:
        raise CheckpointError("; ".join(damaged))
    for problem in damaged:
        log.warning("%s; the one before it is used", problem)
    return checkpoint


def load_chosen(folder: RunFolder, which: Which) -> Checkpoint:
    """Load a checkpoint of a run; raise CheckpointError if it is missing or damaged."""
    checkpoint = load_latest(folder, _step(folder, which))
    if checkpoint is None:
        raise CheckpointError(f"{folder.path}: has no checkpoint (did the run end?)")
    return checkpoint


def _step(folder: RunFolder, which: Which) -> int | None:
    if which == "latest":
        return None
    if isinstance(which, int):
        return which
    if which != "best":
        raise UsageError(f"a checkpoint is a step, best or latest, not {which!r}")
    step: int | None = folder.description().get("best", {}).get("step")
    if step is None:
        raise CheckpointError(
            f"{folder.path}: has no best checkpoint: it evaluated no split, or did not end"
        )
    return step
