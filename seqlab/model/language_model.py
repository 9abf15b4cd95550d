"""A language model: embedding, a stack of cells, head."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqlab.contracts import State
from seqlab.errors import Complaint, ExperimentError
from seqlab.experiment.sections import Model
from seqlab.model.stack import MakeCell, SizesDiffer, Stack, dropped, make_norm


class LanguageModel(nn.Module):
    """Predicts the next token from a window of tokens and the state before it.

    Args:
        vocabulary: V.
        make_cell: builds a cell for an input size; called once for each layer.
        settings: the `model` section.
    """

    def __init__(self, vocabulary: int, make_cell: MakeCell, settings: Model) -> None:
        super().__init__()
        self.embedding: OneHot | nn.Embedding = (
            OneHot(vocabulary)
            if settings.embedding == "one_hot"
            else nn.Embedding(vocabulary, settings.embedding)
        )
        size = self.embedding.embedding_dim
        try:
            self.layers = Stack(
                size,
                [make_cell] * settings.layers,
                norm=settings.norm,
                residual=settings.residual,
                dropout=settings.dropout,
                one_hot=settings.embedding == "one_hot",
            )
        except SizesDiffer as error:
            raise _model_error(str(error)) from None
        size = self.layers.output_size
        self.norm = make_norm(settings.norm, size)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(size, vocabulary)
        if settings.tie_weights:
            self._tie()

    def forward(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Map ids (B, T) to logits (B, T, V)."""
        hidden, state = self.hidden(ids, state)
        return self.head(hidden), state

    def hidden(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Return the inputs of the head, (B, T, O), and the state after."""
        values, state = self.layers(self.embed(ids), state)
        # Contiguous, so that a dropout mask does not depend on how a cell lays out its outputs.
        return self.dropout(self.norm(values.contiguous())), state

    def embed(self, ids: Tensor) -> Tensor:
        """Return vectors (B, T, I), or the ids where the first cell reads them as one-hot."""
        if isinstance(self.embedding, OneHot):
            return ids if self.layers.from_ids is not None else self.embedding(ids)
        return dropped(self.embedding(ids), self.dropout.p, self.training)

    def _tie(self) -> None:
        if isinstance(self.embedding, OneHot):
            raise _model_error("tie_weights needs a learned embedding; this one is one_hot")
        if self.embedding.weight.shape != self.head.weight.shape:
            raise _model_error(
                f"tie_weights needs an embedding of the size of the cell's outputs"
                f" ({self.head.in_features}); it is {self.embedding.embedding_dim}"
            )
        self.embedding.weight = self.head.weight  # initialised as an output layer is


class OneHot(nn.Module):
    """A one-hot vector for each id: (B, T) -> (B, T, V), in the dtype of the model."""

    unit: Tensor  # has the dtype of the model

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embedding_dim = size
        self.register_buffer("unit", torch.ones(()), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        return functional.one_hot(ids, self.embedding_dim).to(self.unit.dtype)


def _model_error(message: str) -> ExperimentError:
    return ExperimentError([Complaint("", "model", message)])
