"""What a model is made of, and what trains it.

Shapes: B rows in a batch, T window, I input size, O output size, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias, Union

if TYPE_CHECKING:
    from torch import Tensor

State: TypeAlias = Union["Tensor", "tuple[State, ...]"]  # `State | None` must work at run time
"""What a cell carries from window to window: a tensor or a nested tuple of tensors.

The batch is the first dimension of every tensor, and a row of zeros is a fresh row (the same
outputs as for None). Shapes are fixed; integers are allowed.
"""


class Cell(Protocol):
    """Maps a window of inputs to a window of outputs: an `nn.Module`.

    Factory: `(input_size, *, options)`. Optional:

    - `from_ids(ids: Tensor, state: State | None) -> tuple[Tensor, State]`: ids (B, T) to outputs,
      equal to a call with one-hot vectors, which the one-hot embedding then never builds.
    - `id_stepper() -> IdStep`: generation uses it.
    - `auxiliary_losses: dict[str, Tensor]`, with all of its names from the start: what each call
      adds to the loss, a mean over the targets of its window, such as a balance of experts. They
      are reported by name; those of one name are added up.
    - `last_output(state: State) -> Tensor`, (B, O): the output of the last step, where it is a part
      of the state, as h of an LSTM is. What changes a state, as `zoneout` does, so knows the
      output of the changed one.
    - `reads_ahead: bool`, True if an output may depend on later inputs of its window. Objectives
      that predict the next token refuse it.
    """

    @property
    def output_size(self) -> int:
        """O, the last dimension of the outputs."""

    def __call__(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """(B, T, I) and the state before -> (B, T, O) and the state after. None: all rows fresh."""


IdStep: TypeAlias = Callable[["Tensor", State], tuple["Tensor", State]]
"""One step of a cell in evaluation: ids (B,) and state -> outputs (B, O) and state.

Equal to `from_ids` with a window of one. A new one is made whenever weights may have changed, so it
can precompute from them. Optional:

- `over(embedding: Tensor) -> IdStep | None`: the step for a learned embedding (V, I).
- `greedy(head: nn.Linear, steps: int) -> GreedySteps | None`: many greedy steps in one call.
"""


GreedySteps: TypeAlias = Callable[["Tensor", State, int], tuple["Tensor", "Tensor", State]]
"""Greedy steps of a cell and its head in evaluation: each feeds its best token to the next.

ids (B,), state and the requested number of steps -> the next ids (B, N), one or more, at most as
requested; their log-probabilities (B, N); and the state before the last of them is read. Of equal
probabilities the lowest id is taken.
"""


class Embedding(Protocol):
    """Maps token ids to vectors: an `nn.Module`. Factory: `(vocabulary, *, options)`.

    `vocabulary` is a `seqlab.Vocabulary`. Optional:

    - `forward(ids, state) -> (vectors, state)` with a second parameter: it carries a state from
      window to window, by the rules of `State`.
    - `is_table: bool`, True if the vector of a token is its row of `weight`, a parameter (V, E).
      Then weights can be tied, and generation can compute with the rows before a step.
    - `is_one_hot: bool`, True if the vectors are one-hots (E = V). Then a cell that offers
      `from_ids` is given the ids; they are neither dropped out, nor normalised, nor added.
    """

    @property
    def output_size(self) -> int:
        """E, the size of a vector."""

    def __call__(self, ids: Tensor) -> Tensor:
        """Ids (B, T) int64 -> vectors (B, T, E), in the dtype of its parameters."""


class Head(Protocol):
    """Maps hidden outputs to logits: an `nn.Module`.

    Factory: `(input_size, vocabulary, *, options)`; `vocabulary` is a `seqlab.Vocabulary`.
    Optional:

    - `loss(hidden: Tensor, targets: Tensor, shares: Tensor | float) -> tuple[Tensor, Tensor]`:
      hidden outputs (N, O), targets (N,) and the share of each, (N,) or of every one -> the sum of
      share * nats, and the nats -ln p(target), (N,), without a gradient. Without it, they are
      those of its logits, which are then held all at once. An `nn.Linear` needs none: its logits
      are never whole; `seqlab.linear_loss` computes so for any matrix.
    - `tie(embedding: Embedding) -> Head | None`: share weights with the embedding; ValueError: why
      not. A head that it returns takes its place, such as one with a projection.
    """

    def __call__(self, hidden: Tensor) -> Tensor:
        """Hidden outputs (…, O) -> logits (…, V), not normalised (or log-probabilities)."""


NamedParameters: TypeAlias = list[tuple[str, "Tensor"]]
"""The first argument of an optimizer's factory `(parameters, *, options)`: names and parameters.

It returns a `torch.optim.Optimizer`. Optional:

- `train()` and `eval()`: it has other weights for use than for training.
- `evaluated(loss: float) -> None`: is told the loss of each evaluation, which there must be.
- `needs_closure: bool`: its `step(closure)` evaluates by itself. The closure leaves the gradients
  of the step's batches and returns their loss; the first call is at the weights as they were.
"""
