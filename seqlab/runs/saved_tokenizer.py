"""The tokenizer of a checkpoint, checked before anything of its size is built."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqlab.contracts import Tokenizer
from seqlab.data.preparation import vocabulary_hash
from seqlab.errors import CheckpointError, SeqlabError
from seqlab.registry import Bound
from seqlab.training.checkpoint import Checkpoint


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
        raise CheckpointError(f"{path}: has no vocabulary of tokenizer '{bound.component.name}'")
    tokenizer: Tokenizer = bound.build()
    try:
        tokenizer.load_state_dict(state)
        size = tokenizer.size
    except SeqlabError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise CheckpointError(
            f"{path}: tokenizer '{bound.component.name}' cannot load this vocabulary ({reason})"
        ) from None
    head = saved.weights.get("head.weight")
    if head is None or head.dim() != 2:
        raise CheckpointError(f"{path}: has no weights of an output layer (head.weight)")
    expected = head.shape[0]
    if type(size) is not int or size != expected:
        raise CheckpointError(
            f"{path}: its vocabulary has {size!r:.40} tokens, but its weights are for {expected:,}"
        )
    if vocabulary_hash(tokenizer) != vocabulary["sha256"]:
        raise CheckpointError(f"{path}: its vocabulary is not the one in run.json")
    return tokenizer
