"""What chooses the tokens of a continuation.

Shapes: B rows, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from seqlab.contracts.model import State

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Limits:
    """When a continuation ends: after `length` tokens, with a stop id, or with a stop text.

    `stop_text` says of the ids so far whether the last one completes a text to stop at. A search
    that ignores the stops is right too, but slower: the core cuts its results.
    """

    length: int
    stop: frozenset[int] = frozenset()
    stop_text: Callable[[Sequence[int]], bool] | None = None

    @property
    def may_stop(self) -> bool:
        """Whether a continuation may end before its length."""
        return bool(self.stop) or self.stop_text is not None

    def stopped(self, ids: Sequence[int]) -> bool:
        """Return whether the last of the ids so far (one at least) is a stop."""
        return ids[-1] in self.stop or (self.stop_text is not None and self.stop_text(ids))

    def ended(self, ids: Sequence[int]) -> bool:
        """Return whether a continuation ends with the last of the ids so far."""
        return len(ids) >= self.length or self.stopped(ids)


@dataclass(frozen=True)
class Start:
    """Where a search begins: the prefixes are read, no token is chosen yet.

    `rows` are numbers to derive randomness from, one for each row, whatever the batch.
    """

    logits: Tensor  # (B, V), of the first token to choose
    state: State
    history: Tensor  # (B, P) int64: the tokens of the prefixes, all of one length
    rows: Tensor  # (B,) int64


@dataclass(frozen=True)
class Continuation:
    """Chosen tokens of one row, with their log-probabilities in nats."""

    ids: tuple[int, ...]
    log_probabilities: tuple[float, ...]

    @property
    def score(self) -> float:
        """Log-probability of the whole continuation, in nats."""
        return sum(self.log_probabilities)


Advance: TypeAlias = Callable[["Tensor", State], tuple["Tensor", State]]
"""One step of the model: ids (B,) and state -> logits (B, V) and state."""


@runtime_checkable
class Decoder(Protocol):
    """Chooses the next token of every row. Factory: `(*, options)`.

    Optional: `greedy: bool`. True: it always chooses the most probable token, of equals the lowest
    id, so it need not be called for each token.
    """

    def choose(self, logits: Tensor, history: Tensor, uniform: Tensor) -> Tensor:
        """Return ids (B,) for logits (B, V): a pure function, so that batched equals one by one.

        `history` (B, t) holds the tokens so far, prefix included; `uniform` (B,), float64 in
        [0, 1), is the only source of randomness, derived from the seed, the row's prefix and the
        step. The ids are int64, on the device of the logits.
        """


@runtime_checkable
class SearchDecoder(Protocol):
    """The other form of a decoder: looks ahead, as a beam does. Factory: `(*, options)`."""

    def search(
        self, advance: Advance, start: Start, limits: Limits
    ) -> Sequence[Sequence[Continuation]]:
        """Return for each row its continuations, the best first.

        A state is reordered by indexing every tensor in its first dimension (`select_rows`).
        """
