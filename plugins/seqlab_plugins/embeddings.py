"""Embeddings: one-hot vectors, and a table of vectors that are learned."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

import seqlab


class OneHot(nn.Module):
    """A one-hot vector for each token; cells that read ids never see it built."""

    unit: Tensor  # has the dtype of the model
    is_one_hot = True

    def __init__(self, vocabulary: seqlab.Vocabulary) -> None:
        super().__init__()
        self.output_size = int(vocabulary)
        self.register_buffer("unit", torch.ones(()), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        return functional.one_hot(ids, self.output_size).to(self.unit.dtype)


class Learned(nn.Embedding):
    """A learned vector for each token: what a number in `model.embedding` is short for.

    Args:
        size: Required. The size of a vector.
        word_dropout: share of the tokens of the vocabulary whose vectors are zero in a step of
            training, wherever they occur (Gal and Ghahramani, 2016).
        range: initial values are uniform between minus this and this; null: normal, of variance 1.
    """

    is_table = True
    later_options = ("word_dropout", "range")

    def __init__(
        self,
        vocabulary: seqlab.Vocabulary,
        *,
        size: seqlab.Count,
        word_dropout: seqlab.Share = 0.0,
        range: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None,  # noqa: A002 # as `model.initial` has it
    ) -> None:
        super().__init__(int(vocabulary), size)
        self.output_size, self.word_dropout = size, word_dropout
        if range is not None:
            nn.init.uniform_(self.weight, -range, range)

    def forward(self, ids: Tensor) -> Tensor:
        if not (self.training and self.word_dropout):
            return super().forward(ids)
        kept = functional.dropout(self.weight.new_ones(len(self.weight), 1), self.word_dropout)
        return super().forward(ids) * kept[ids]  # (B, T, E) * (B, T, 1)


@seqlab.hookimpl
def seqlab_register_embeddings() -> dict[str, type]:
    return {"one_hot": OneHot, "learned": Learned}
