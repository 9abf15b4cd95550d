"""Load a checkpoint of a run, and its tokenizer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from seqlab.contracts import Tokenizer
from seqlab.data.preparation import vocabulary_hash
from seqlab.errors import CheckpointError, SeqlabError, UsageError
from seqlab.registry import Bound
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


def restored_tokenizer(
    bound: Bound, saved: Checkpoint, vocabulary: Mapping[str, Any], path: Path
) -> Tokenizer:
    """Return a tokenizer with the vocabulary of a checkpoint.

    Args:
        bound: builds the tokenizer.
        saved: the checkpoint.
        vocabulary: the entry in `run.json`.
        path: of the checkpoint, for messages.

    Raises:
        CheckpointError: the vocabulary is missing, or is not that of the weights or of the run.
    """
    state = saved.state.get("tokenizer") if isinstance(saved.state, Mapping) else None
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path}: has no vocabulary of {bound.component.label}")
    tokenizer: Tokenizer = bound.build()
    try:
        tokenizer.load_state_dict(state)
        size = tokenizer.size
    except SeqlabError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise CheckpointError(
            f"{path}: {bound.component.label} cannot load this vocabulary ({reason})"
        ) from None
    expected = vocabulary["size"]
    if type(size) is not int or size != expected:
        raise CheckpointError(
            f"{path}: its vocabulary has {size!r:.40} tokens, and not {expected:,} as in run.json"
        )
    if vocabulary_hash(tokenizer) != vocabulary["sha256"]:
        raise CheckpointError(f"{path}: its vocabulary is not the one in run.json")
    return tokenizer
