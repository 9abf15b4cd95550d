"""A language model: embedding, a stack of cells, head."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqlab.contracts import Cell, State, offered
from seqlab.errors import Complaint, ExperimentError
from seqlab.experiment.sections import Model
from seqlab.model.state import checked_result

CellFactory = Callable[[int], Cell]


class LanguageModel(nn.Module):
    """Predicts the next token from a window of tokens and the state before it.

    Args:
        vocabulary: V.
        make_cell: builds a cell for an input size; called once for each layer.
        settings: the `model` section.
    """

    def __init__(self, vocabulary: int, make_cell: CellFactory, settings: Model) -> None:
        super().__init__()
        self.embedding: OneHot | nn.Embedding = (
            OneHot(vocabulary)
            if settings.embedding == "one_hot"
            else nn.Embedding(vocabulary, settings.embedding)
        )
        size = self.embedding.embedding_dim
        layers = []
        for number in range(settings.layers):
            plain_input = number == 0 and settings.embedding == "one_hot"
            norm = None if plain_input else settings.norm
            layers.append(Layer(size, make_cell, norm, settings.residual and not plain_input))
            size = layers[-1].output_size
        self.layers = nn.ModuleList(layers)
        self.norm = _norm(settings.norm, size)
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
        states = state if isinstance(state, tuple) else (None,) * len(self.layers)
        values, new_states = self.embed(ids), []
        for number, (layer, before) in enumerate(zip(self.layers, states, strict=True)):
            if number:
                values = self._drop(values)
            values, after = layer(values, before)
            new_states.append(after)
        # Contiguous, so that a dropout mask does not depend on how a cell lays out its outputs.
        return self.dropout(self.norm(values.contiguous())), tuple(new_states)

    def embed(self, ids: Tensor) -> Tensor:
        """Return vectors (B, T, I), or the ids where the first cell reads them as one-hot."""
        if isinstance(self.embedding, OneHot):
            reads_ids = offered(self.layers[0].cell, "from_ids") is not None
            return ids if reads_ids else self.embedding(ids)
        return self._drop(self.embedding(ids))

    def _drop(self, values: Tensor) -> Tensor:
        """Drop out between layers; without dropout nothing is copied."""
        active = self.training and self.dropout.p > 0
        return cast("Tensor", self.dropout(values.contiguous())) if active else values

    def _tie(self) -> None:
        if isinstance(self.embedding, OneHot):
            raise _model_error("tie_weights needs a learned embedding; this one is one_hot")
        if self.embedding.weight.shape != self.head.weight.shape:
            raise _model_error(
                f"tie_weights needs an embedding of the size of the cell's outputs"
                f" ({self.head.in_features}); it is {self.embedding.embedding_dim}"
            )
        self.embedding.weight = self.head.weight  # initialised as an output layer is


class Layer(nn.Module):
    """A cell with a norm before it and a residual connection around both."""

    def __init__(self, size: int, make_cell: CellFactory, norm: str | None, residual: bool) -> None:
        super().__init__()
        self.norm = _norm(norm, size)
        self.cell = cast("nn.Module", make_cell(size))
        self.output_size = cast("int", self.cell.output_size)
        self.residual = residual
        if residual and self.output_size != size:
            raise _model_error(
                f"residual needs inputs and outputs of the same size; they are {size} and"
                f" {self.output_size}"
            )

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Map inputs (B, T, I), or ids (B, T) for `from_ids`, to outputs (B, T, O)."""
        shape = (*inputs.shape[:2], self.output_size)
        if not inputs.is_floating_point():
            result = offered(self.cell, "from_ids")(inputs, state)
            return checked_result(result, self.cell, "from_ids", shape)
        result = self.cell(self.norm(inputs), state)
        outputs, state = checked_result(result, self.cell, "forward", shape)
        return (inputs + outputs if self.residual else outputs), state


class OneHot(nn.Module):
    """A one-hot vector for each id: (B, T) -> (B, T, V), in the dtype of the model."""

    unit: Tensor  # has the dtype of the model

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embedding_dim = size
        self.register_buffer("unit", torch.ones(()), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        return functional.one_hot(ids, self.embedding_dim).to(self.unit.dtype)


def _norm(name: str | None, size: int) -> nn.Module:
    norms = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}
    return norms[name](size) if name else nn.Identity()


def _model_error(message: str) -> ExperimentError:
    return ExperimentError([Complaint("", "model", message)])
