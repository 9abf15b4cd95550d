"""Token ids in -> logits out: embedding, a stack of cells, head."""

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
        """Map ids (B, T) and the state before to logits (B, T, V) and the state after."""
        hidden, state = self.hidden(ids, state)
        return self.head(hidden), state

    def hidden(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Return what the head is applied to, (B, T, O), and the state after."""
        states = state if isinstance(state, tuple) else (None,) * len(self.layers)
        first, *others = cast("list[Layer]", list(self.layers))
        values, after = self.enter(first, ids, states[0])
        new_states = [after]
        for layer, before in zip(others, states[1:], strict=True):
            values, after = layer(self._between(values), before)
            new_states.append(after)
        # Contiguous, so that a dropout mask does not depend on how a cell lays out its outputs.
        return self.dropout(self.norm(values.contiguous())), tuple(new_states)

    def _between(self, values: Tensor) -> Tensor:
        """What goes from one layer to the next; nothing is moved where nothing is zeroed."""
        zeroes = self.training and self.dropout.p > 0
        return cast("Tensor", self.dropout(values.contiguous())) if zeroes else values

    def enter(self, layer: Layer, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Run the first layer over a window of ids, (B, T)."""
        if not isinstance(self.embedding, OneHot):
            return cast("tuple[Tensor, State]", layer(self.dropout(self.embedding(ids)), state))
        from_ids = offered(layer.cell, "from_ids")
        if from_ids is None:
            return cast("tuple[Tensor, State]", layer(self.embedding(ids), state))
        shape = (*ids.shape, layer.output_size)
        return checked_result(from_ids(ids, state), layer.cell, "from_ids", shape)

    def _tie(self) -> None:
        if isinstance(self.embedding, OneHot):
            raise _refusal("tie_weights needs a learned embedding; this one is one_hot")
        if self.embedding.weight.shape != self.head.weight.shape:
            raise _refusal(
                f"tie_weights needs an embedding as large as the cell's outputs"
                f" ({self.head.in_features}); it is {self.embedding.embedding_dim}"
            )
        self.embedding.weight = self.head.weight  # which is initialised for its place


class Layer(nn.Module):
    """A cell with what the model wraps around it: norm before, residual after."""

    def __init__(self, size: int, make_cell: CellFactory, norm: str | None, residual: bool) -> None:
        super().__init__()
        self.norm = _norm(norm, size)
        self.cell = cast("nn.Module", make_cell(size))
        self.output_size = cast("int", self.cell.output_size)
        self.residual = residual
        if residual and self.output_size != size:
            raise _refusal(
                f"residual needs inputs and outputs of one size; they are {size} and"
                f" {self.output_size}"
            )

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """(B, T, I) and the state before -> (B, T, O) and the state after."""
        shape = (*inputs.shape[:-1], self.output_size)
        outputs, state = checked_result(
            self.cell(self.norm(inputs), state), self.cell, "forward", shape
        )
        return (inputs + outputs if self.residual else outputs), state


class OneHot(nn.Module):
    """A one-hot vector for each id: (B, T) -> (B, T, V), in the dtype of the model."""

    one: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embedding_dim = size
        self.register_buffer("one", torch.ones(()), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        return functional.one_hot(ids, self.embedding_dim).to(self.one.dtype)


def _norm(name: str | None, size: int) -> nn.Module:
    norms = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}
    return norms[name](size) if name else nn.Identity()


def _refusal(message: str) -> ExperimentError:
    return ExperimentError([Complaint("", "model", message)])
