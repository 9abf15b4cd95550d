"""A kind of its own: corruptions of what a model reads, which an objective is made of."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

import seqlab
from seqlab_strangers.around import AroundObjective

SEQLAB_API = 2
HALF = 2**12  # a float32 in [0, 1) has 24 bits: 12 for each of two numbers


class Corruption(Protocol):
    """Changes inputs (B, T); `uniform` (B, T) in [0, 1) is its only source of chance."""

    def corrupt(self, inputs: Tensor, uniform: Tensor) -> Tensor: ...


@seqlab.factory_of("corruption")
class CorruptionFactory(Protocol):
    def __call__(self) -> Corruption: ...


class OtherTokens:
    """Some inputs are other tokens, as in word dropout.

    Args:
        share: of the inputs.
    """

    def __init__(self, vocabulary: seqlab.Vocabulary, *, share: seqlab.Share = 0.1) -> None:
        self.size, self.share = vocabulary.size, share

    def corrupt(self, inputs: Tensor, uniform: Tensor) -> Tensor:
        way = uniform / max(self.share, 1e-6)  # in [0, 1) where it is another one
        other = (way * self.size).long().clamp(max=self.size - 1)
        return torch.where(uniform < self.share, other, inputs)


class SwappedNeighbours:
    """Some inputs change places with the next one.

    Args:
        share: of the pairs.
    """

    def __init__(self, *, share: seqlab.Share = 0.1) -> None:
        self.share = share

    def corrupt(self, inputs: Tensor, uniform: Tensor) -> Tensor:
        pairs = inputs.shape[1] // 2
        both = inputs[:, : 2 * pairs].unflatten(1, (pairs, 2))
        swapped = (uniform[:, : 2 * pairs : 2] < self.share).unsqueeze(-1)
        changed = torch.where(swapped, both.flip(-1), both).flatten(1)
        return torch.cat((changed, inputs[:, 2 * pairs :]), 1)


OTHER_TOKENS = seqlab.component("other_tokens")


class Corrupted(AroundObjective):
    """Another objective whose inputs are corrupted in training, and as they are in evaluations.

    Args:
        corruption: what happens to the inputs.
        inner: the objective.
    """

    def __init__(
        self,
        *,
        corruption: CorruptionFactory = OTHER_TOKENS,
        inner: seqlab.ObjectiveFactory = seqlab.component("next_token"),  # noqa: B008 # as above
    ) -> None:
        super().__init__(inner())
        self.corruption = corruption()

    @property
    def prepare(self) -> Any:
        return self.corrupt_and_prepare

    def corrupt_and_prepare(self, batch: seqlab.Batch, uniform: Tensor) -> seqlab.Batch:
        first, second = (uniform * HALF).floor() / HALF, (uniform * HALF).frac()
        inner = super().prepare
        made = batch if inner is None else inner(batch, first)
        if not self.training:  # a module of the model: evaluations put it into this mode
            return made
        return made._replace(inputs=self.corruption.corrupt(made.inputs, second))


@seqlab.hookimpl
def seqlab_register_kinds() -> list[seqlab.Kind]:
    what = "changes what a model reads"
    return [
        seqlab.Kind("corruption", "corruptions", what, (Corruption,), offers=("vocabulary",)),
    ]


@seqlab.hookimpl
def seqlab_strangers_register_corruptions() -> dict[str, type]:
    return {"other_tokens": OtherTokens, "swapped_neighbours": SwappedNeighbours}


@seqlab.hookimpl
def seqlab_register_objectives() -> dict[str, type]:
    return {"corrupted": Corrupted}
