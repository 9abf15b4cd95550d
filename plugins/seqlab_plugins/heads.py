"""Heads: hidden outputs to logits."""

from __future__ import annotations

from torch import nn

import seqlab


class Linear(nn.Linear):
    """A matrix and a bias; the logits of a window are never whole in training."""

    def __init__(self, input_size: int, vocabulary: seqlab.Vocabulary) -> None:
        super().__init__(input_size, int(vocabulary))

    def tie(self, embedding: nn.Module) -> None:
        """Give an embedding the matrix, which is initialised as an output layer is."""
        if not getattr(embedding, "is_table", False):
            raise ValueError(
                f"needs a learned embedding; {type(embedding).__name__} has no table of vectors"
            )
        if embedding.weight.shape != self.weight.shape:
            raise ValueError(
                f"needs an embedding of the size of the cell's outputs ({self.in_features}); it is"
                f" {embedding.output_size}"
            )
        embedding.weight = self.weight


@seqlab.hookimpl
def seqlab_register_heads() -> dict[str, type]:
    return {"linear": Linear}
