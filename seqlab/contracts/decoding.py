"""What chooses the tokens of a continuation.

Shapes: B rows, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
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

    `rows` are numbers to derive randomness from, one for each row, whatever the batch; `seed` is
    that of the generation, and `num` the number of continuations that are wanted of each row.
    """

    logits: Tensor  # (B, V), of the first token to choose
    state: State
    history: Tensor  # (B, P) int64: the tokens of the prefixes, all of one length
    rows: Tensor  # (B,) int64
    seed: int = 0
    num: int = 1
    window: Window | None = field(default=None, repr=False)
    head: Callable[[Tensor], Tensor] | None = field(default=None, repr=False)  # (…, O) -> (…, V)

    def read(self, ids: Tensor, state: State | None) -> tuple[Tensor, Tensor, State]:
        """Read a window of ids (B, T), of any number of rows; a state of None is fresh.

        Returns:
            Logits (B, T, V), each of the token after; hidden outputs (B, T, O); the state after.
        """
        if self.window is None or self.head is None:
            raise TypeError("this start was made without a model: it has no `window` and `head`")
        hidden, after = self.window(ids, state)
        return self.head(hidden), hidden, after

    @cached_property
    def hidden(self) -> Tensor:
        """Hidden outputs of the prefixes, (B, P, O): they are read again when this is asked for."""
        if self.window is None:
            raise TypeError("this start was made without a model: it has no `window`")
        return self.window(self.history, None)[0]

    def uniform(self, number: int | Tensor) -> Tensor:
        """Return a number in [0, 1) for each row, (B,) float64: the chance of a search.

        `number` says which: one for all rows, or (B,) int64. It follows from seed, row and number.
        """
        import torch

        from seqlab.randomness import uniforms

        rows = self.rows.cpu()
        numbers = torch.as_tensor(number).cpu().expand_as(rows)
        drawn = uniforms(self.seed, rows.numpy(), numbers.numpy())
        return torch.from_numpy(drawn).to(self.rows.device)


@dataclass(frozen=True)
class Continuation:
    """Chosen tokens of one row, with their log-probabilities in nats.

    `ended` says why a decoder itself ended it: `complete` or `stuck`; empty: it did not.
    """

    ids: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    ended: str = ""

    @property
    def score(self) -> float:
        """Log-probability of the whole continuation, in nats."""
        return sum(self.log_probabilities)


COMPLETE: int = -1
"""What `choose` gives in place of an id to end a row behind which nothing should follow."""
STUCK: int = -2
"""What `choose` gives in place of an id to end a row behind which something should, and cannot."""
ENDINGS = {COMPLETE: "complete", STUCK: "stuck"}
Window: TypeAlias = Callable[["Tensor", "State | None"], tuple["Tensor", State]]
"""A window of the model: ids (B, T) and state -> hidden outputs (B, T, O) and state."""
Advance: TypeAlias = Callable[["Tensor", State], tuple["Tensor", State]]
"""One step of the model: ids (B,) and state -> logits (B, V) and state."""


@runtime_checkable
class Decoder(Protocol):
    """Chooses the next token of every row. Factory: `(*, options)`, or `(tokenizer, *, options)`.

    Optional: `greedy: bool`. True: it always chooses the most probable token, of equals the lowest
    id, so it need not be called for each token. `may_end: bool`. True: `choose` may end a row.
    Optional attribute of the factory: `chosen_by: Sequence[str]`, the names of options by which it
    takes the place of a decoder that lacks them, as `--temperature` may ask for.
    """

    def choose(self, logits: Tensor, history: Tensor, uniform: Tensor) -> Tensor:
        """Return ids (B,) for logits (B, V): a pure function, so that batched equals one by one.

        `history` (B, t) holds the tokens so far, prefix included; `uniform` (B,), float64 in
        [0, 1), is the only source of randomness, derived from the seed, the row's prefix and the
        step. The ids are int64, on the device of the logits. A decoder with `may_end` may give
        `COMPLETE` or `STUCK` in place of an id: the row ends there, without a further token.

        It may have two more parameters, which are passed by name: `prefix_lengths`, (B,) int64,
        how much of the history is the prefix; and `memory` (`RemembersChoices`). One that asks for
        the lengths is given whole prefixes: no last token of theirs is taken back to be chosen
        again.
        """


class RemembersChoices(Protocol):
    """The form of a decoder with a memory: a state of its own, by the rules of states."""

    def choose(
        self, logits: Tensor, history: Tensor, uniform: Tensor, memory: State | None
    ) -> tuple[Tensor, State]:
        """Return ids (B,), and what to remember of these rows: the next call is given it.

        The batch is the first dimension of every tensor of the memory, and its shape stays. None
        is fresh, and so is a row of zeros. Rows that have ended are dropped from it.
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
