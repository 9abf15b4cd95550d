"""Embeddings: one-hot vectors, and a table of vectors that are learned."""

from __future__ import annotations

import torch
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
    """

    is_table = True

    def __init__(self, vocabulary: seqlab.Vocabulary, *, size: seqlab.Count) -> None:
        super().__init__(int(vocabulary), size)
        self.output_size = size


@seqlab.hookimpl
def seqlab_register_embeddings() -> dict[str, type]:
    return {"one_hot": OneHot, "learned": Learned}
