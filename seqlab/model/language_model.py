"""A language model: embedding, a stack of cells, head."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, cast, overload

import torch
from torch import Tensor, nn

from seqlab.contracts import State, offered
from seqlab.errors import Complaint, ExperimentError, PluginError
from seqlab.experiment.sections import Model
from seqlab.model.bidirectional import Bidirectional
from seqlab.model.given_ids import TokenIds, checked_ids
from seqlab.model.signature import takes_state
from seqlab.model.stack import MakeCell, SizesDiffer, Stack, dropped, make_norm
from seqlab.model.state import checked_result

Make: TypeAlias = Callable[..., Any]
_NOT_GIVEN: Any = object()


class LanguageModel(nn.Module):
    """Predicts the next token from a window of tokens and the state before it.

    Args:
        vocabulary: V; a `seqlab.Vocabulary` where embedding or head ask for more than its size.
        settings: the `model` section, of which the factories are given besides.
        embedding: makes the embedding of a vocabulary.
        cell: makes a cell for an input size; called once for each layer.
        head: makes the head for an input size and a vocabulary.
        objective: makes what it is trained for, given `vocabulary` and `hidden_size`; if that is a
            module, it is a part of the model.
    """

    def __init__(
        self,
        vocabulary: int,
        settings: Model,
        *,
        embedding: Make,
        cell: MakeCell,
        head: Make,
        objective: Make,
    ) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding: nn.Module = embedding(vocabulary)
        self.reads_one_hots = offered(self.embedding, "is_one_hot") is True
        self.embedding_has_state = takes_state(self.embedding.forward, 1)
        self._embedding_size = cast("int", self.embedding.output_size)
        dropouts = self._dropouts = settings.dropouts
        both_ways = partial(Bidirectional, make_cell=cell)
        try:
            self.layers = Stack(
                self._embedding_size,
                [both_ways if settings.bidirectional else cell] * settings.layers,
                norm=settings.norm,
                residual=settings.residual,
                dropout=dropouts.layers,
                locked=dropouts.locked,
                one_hot=self.reads_one_hots,
            )
        except SizesDiffer as error:
            raise _model_error(str(error)) from None
        self.hidden_size = self.layers.output_size
        self.norm = make_norm(settings.norm, self.hidden_size)
        self.head: nn.Module = head(self.hidden_size, vocabulary)
        if settings.tie_weights:
            self._tie()
        self.objective: Any = objective(vocabulary=vocabulary, hidden_size=self.hidden_size)
        self._penalties: Any = offered(self.objective, "penalties")
        if self._penalties is not None:
            zero = torch.zeros(())
            self.auxiliary_losses = dict.fromkeys(self.objective.penalty_names, zero)
        if self.reads_ahead and self.predicts_next:
            name = type(self.objective).__name__
            raise _model_error(
                f"its cells read ahead, and objective {name} predicts the next token, which they"
                " would have read; an objective such as `masked` does not"
            )

    @property
    def reads_ahead(self) -> bool:
        """Whether outputs may depend on later inputs of their window."""
        return any(offered(module, "reads_ahead") is True for module in self.layers.modules())

    @property
    def predicts_next(self) -> bool:
        """Whether it is trained to predict the next token."""
        return offered(self.objective, "predicts_next") is not False

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of its parameters, and of a carried state."""
        return next(self.parameters()).dtype

    @overload
    def forward(self, ids: TokenIds) -> Tensor: ...
    @overload
    def forward(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]: ...
    def forward(self, ids: TokenIds, state: Any = _NOT_GIVEN) -> Any:
        """Map ids (B, T) to logits (B, T, V), and the state before to the state after.

        Without a state, rows are fresh and the logits alone are returned; then ids may be a list,
        and may be (T,), for logits (T, V).

        Raises:
            UsageError: without a state: ids are not 1-D or 2-D, or one is no token id.
        """
        if state is _NOT_GIVEN:
            rows = checked_ids(ids, self.vocabulary, self.device)
            logits: Tensor = self.head(self.hidden(rows.view(-1, rows.shape[-1]), None)[0])
            return logits if rows.ndim == 2 else logits[0]
        hidden, state = self.hidden(cast("Tensor", ids), state)
        return self.head(hidden), state

    def hidden(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Return the inputs of the head, (B, T, O), and the state after."""
        values, embedding_state, state = self.embedded(ids, state)
        values, state = self.layers(values, state)
        if self.embedding_has_state:
            state = (embedding_state, state)
        # Contiguous, so that a dropout mask does not depend on how a cell lays out its outputs.
        values = values.contiguous()
        hidden = self._dropped(self.norm(values), self._dropouts.outputs)
        if self._penalties is not None:
            self._penalise(values, hidden)
        return hidden, state

    def embed(self, ids: Tensor) -> Tensor:
        """Return vectors (B, T, E) of fresh rows, or ids that the first cell reads as one-hots."""
        return self.embedded(ids, None)[0]

    def embedded(self, ids: Tensor, state: State | None) -> tuple[Tensor, State, State | None]:
        """Return the inputs of the layers, the embedding's state after, and theirs before."""
        if self.reads_one_hots and self.layers.from_ids is not None:
            return ids, (), state
        after: State = ()
        if self.embedding_has_state:
            own, state = state if isinstance(state, tuple) else (None, None)
            shape = (*ids.shape, self._embedding_size)
            vectors, after = checked_result(
                self.embedding(ids, own), self.embedding, "forward", shape, "embedding"
            )
        else:
            vectors = self.embedding(ids)
            _check_vectors(vectors, self.embedding, (*ids.shape, self._embedding_size))
        if self.reads_one_hots:
            return vectors, after, state
        return self._dropped(vectors, self._dropouts.embedding), after, state

    def _dropped(self, values: Tensor, share: float) -> Tensor:
        return dropped(values, share, self.training, self._dropouts.locked)

    def _penalise(self, outputs: Tensor, hidden: Tensor) -> None:
        """Keep what the objective adds to the loss for the outputs of a window."""
        added = self._penalties(outputs, hidden)
        names, expected = list(added), list(self.auxiliary_losses)
        if names != expected:
            raise PluginError(
                f"objective {type(self.objective).__name__}: `penalties` gives {names}; its"
                f" `penalty_names` are {expected}"
            )
        self.auxiliary_losses = added

    def _tie(self) -> None:
        tie = offered(self.head, "tie")
        if tie is None:
            raise _model_error(f"tie_weights: head {type(self.head).__name__} shares no weights")
        try:
            self.head = tie(self.embedding) or self.head
        except ValueError as error:
            raise _model_error(f"tie_weights {error}") from None


def _check_vectors(vectors: Any, embedding: nn.Module, shape: tuple[int, ...]) -> None:
    if isinstance(vectors, Tensor) and vectors.shape == shape:
        return
    found = tuple(vectors.shape) if isinstance(vectors, Tensor) else type(vectors).__name__
    raise PluginError(
        f"embedding {type(embedding).__name__}: `forward` should return vectors of the shape"
        f" {shape}, whose last number is its output_size; it returned {found}"
    )


def _model_error(message: str) -> ExperimentError:
    return ExperimentError([Complaint("", "model", message)])
