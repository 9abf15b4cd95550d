"""What is carried from batch to batch of a split. Shapes: B rows."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

import seqlab


def carried(state: seqlab.State | None, batch: seqlab.Batch) -> seqlab.State | None:
    """Return a state for the rows of a batch: cut from its graph, fresh where they do not go on.

    Rows at the end may have been dropped.
    """
    if state is None:
        return None
    return seqlab.map_state(partial(_kept, batch.continues), state)


def _kept(continues: Tensor, part: Tensor) -> Tensor:
    part = part.detach()[: len(continues)]
    flags = continues.to(part.device).view(-1, *[1] * (part.dim() - 1))
    return torch.where(flags, part, torch.zeros_like(part))


def counts(batch: seqlab.Batch) -> Tensor:
    """The weights of the targets, (B, T)."""
    ones = torch.ones_like(batch.targets, dtype=torch.float32)
    return ones if batch.weights is None else batch.weights
