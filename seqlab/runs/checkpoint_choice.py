"""Which of a run's checkpoints is meant."""

from __future__ import annotations

import logging
from typing import Literal, TypeAlias

from seqlab.errors import CheckpointError, UsageError
from seqlab.runs.folder import RunFolder
from seqlab.training.checkpoint import Checkpoint, latest_checkpoint

log = logging.getLogger(__name__)

Which: TypeAlias = int | Literal["latest", "best"]
"""A step; the latest that is whole; or the one with the lowest loss on the evaluated split."""


def chosen_checkpoint(folder: RunFolder, which: Which) -> Checkpoint:
    """Load a checkpoint of a run.

    Raises:
        UsageError: `which` is nothing that can be meant.
        CheckpointError: there is none, or the one that is meant is damaged.
    """
    found, damaged = latest_checkpoint(folder.checkpoints, _step(folder, which))
    for problem in damaged:
        log.warning("%s; the one before it is used", problem)
    if found is None:
        said = damaged[0] if damaged else f"{folder.path}: has no checkpoint (did the run end?)"
        raise CheckpointError(said)
    return found


def _step(folder: RunFolder, which: Which) -> int | None:
    """Which step it must be; None: the latest."""
    if which == "latest":
        return None
    if isinstance(which, int):
        return which
    if which != "best":
        raise UsageError(f"a checkpoint is a step, best or latest, not {which!r}")
    step: int | None = folder.description().get("best", {}).get("step")
    if step is None:
        raise CheckpointError(
            f"{folder.path}: knows of no best checkpoint: it evaluated no split, or did not end"
        )
    return step
