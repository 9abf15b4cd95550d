"""What training minimises, and what an evaluation measures.

Shapes: B rows in a batch, T window, O size of hidden outputs, N tokens, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from seqlab.contracts.data import Batch
from seqlab.contracts.model import Head

if TYPE_CHECKING:
    from torch import Tensor, nn


class Window(NamedTuple):
    """What an objective is told of a batch, on the model's device."""

    inputs: Tensor  # (B, T) int64, which the model read
    targets: Tensor  # (B, T) int64
    weights: Tensor | None  # (B, T), of the targets; None: all 1
    shares: Tensor | float  # (B, T) or of every target: its weight over that of the whole step
    starts: Tensor | None = None  # (B, T) bool: where a document begins inside of a row


class Terms(NamedTuple):
    """What an objective makes of a window.

    `loss` is minimised: a sum of share * something, so that windows can be added. `nats` are
    -ln p(next token), without a gradient; None: there are none. `parts` are sums like `loss`, one
    for each name in the objective's `parts`, in that order. `right` says which targets were
    guessed right, where that is known.
    """

    loss: Tensor  # ()
    nats: Tensor | None = None  # (B, T)
    parts: tuple[Tensor, ...] = ()  # of ()
    right: Tensor | None = None  # (B, T) bool


class Objective(Protocol):
    """What training minimises. Factory: `(*, options)`.

    It is offered `vocabulary` (a `seqlab.Vocabulary`) and `hidden_size` (O). Optional:

    - `parts: tuple[str, ...]`, names of numbers that are reported beside the loss: columns in
      `metrics.jsonl`.
    - `predicts_next: bool`, False if it trains something else than the next token. Then cells may
      read ahead, the loss that is reported is its own, there is neither perplexity nor bits, and
      no text is generated.
    - `before_training() -> None`, called once before the first step of a run: what it needs besides
      is looked for here, so that texts and scores can do without.
    - `needs_weights: bool`, True if it makes no sense of a corpus whose tokens all count alike.
    - `prepare(batch: Batch, uniform: Tensor) -> Batch`, with other inputs, targets or weights.
      Pure: `uniform`, (B, T) float32 in [0, 1), is its only source of chance.
    - `score(hidden, head, window) -> Terms`, in place of `loss` in evaluations.
    - `loss(hidden, head, window, state) -> tuple[Terms, State]` with a fourth parameter: it carries
      a state from window to window, by the rules of `State`; None: all rows are fresh.

    - `penalties(outputs: Tensor, hidden: Tensor) -> dict[str, Tensor]`, and `penalty_names: tuple`,
      its names: what each window adds to the loss, means over its targets, for the outputs of the
      last cell (B, T, O) and what norm and dropout made of them for the head. They are reported
      by name, as the auxiliary losses of cells are.

    One that is an `nn.Module` may have parameters, which are trained and saved with the model. It
    must not read a value back from the device.
    """

    def loss(self, hidden: Tensor, head: Head, window: Window) -> Terms:
        """Hidden outputs (B, T, O) and what is known of their batch -> a loss."""


class Metric(Protocol):
    """A number beside the loss of an evaluation. Factory: `(*, options)`; anew for each pass."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its numbers: columns in `metrics.jsonl`."""

    def update(self, logits: Tensor, targets: Tensor, weights: Tensor) -> None:
        """Take some targets: logits (N, V), targets (N,) and their weights (N,), not all 0."""

    def compute(self) -> Mapping[str, float]:
        """Return a number for each name."""


class EvaluationMethod(Protocol):
    """Scores a split in a way of its own. Factory: `(*, options)`.

    It is offered `training`, a function that returns the training split (`seqlab.Tokens`).
    """

    def nats(self, model: nn.Module, batches: Iterable[Batch]) -> Iterator[Tensor]:
        """Yield -ln p(target), (B, T), for each batch, in order.

        `model.hidden(ids, state)` gives hidden outputs (B, T, O) and the state after, `model.head`
        logits, and `model.vocabulary` is V. The method may train the model as it goes: weights and
        buffers are restored afterwards. Rows of later batches may be fewer, those at the end being
        dropped.
        """
