"""A checkpoint's tokenizer, looked at before anything of its size is built."""

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
    bound: Bound, saved: Checkpoint, described: Mapping[str, Any], place: Path
) -> Tokenizer:
    """Return the tokenizer of a run, with the vocabulary that was trained.

    Args:
        bound: how it is made.
        saved: the checkpoint.
        described: what `run.json` says of the vocabulary.
        place: of the checkpoint, for messages.

    Raises:
        CheckpointError: the checkpoint's vocabulary is none, or is not that of the weights or of
            the run.
    """
    state = saved.state.get("tokenizer") if isinstance(saved.state, Mapping) else None
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{place}: has no vocabulary of tokenizer '{bound.component.name}'")
    tokenizer: Tokenizer = bound.build()
    try:
        tokenizer.load_state_dict(state)
        size = tokenizer.size
    except SeqlabError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise CheckpointError(
            f"{place}: tokenizer '{bound.component.name}' cannot take this vocabulary ({said})"
        ) from None
    expected = _rows(saved, place)
    if type(size) is not int or size != expected:
        raise CheckpointError(
            f"{place}: its vocabulary has {size!r:.40} tokens, and its weights are for {expected:,}"
        )
    if vocabulary_hash(tokenizer) != described["sha256"]:
        raise CheckpointError(f"{place}: has another vocabulary than run.json says")
    return tokenizer


def _rows(saved: Checkpoint, place: Path) -> int:
    """The size of the vocabulary that weights are for."""
    head = saved.weights.get("head.weight")
    if head is None or head.dim() != 2:
        raise CheckpointError(f"{place}: has no weights of an output layer (head.weight)")
    return head.shape[0]
