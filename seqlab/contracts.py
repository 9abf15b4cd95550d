"""The contract of each kind of component.

Shapes: B rows in a batch, T window, I input size, O output size, V vocabulary size.
The contracts are structural: a component need not inherit from anything here. What is listed as
optional is looked up with `offered`. Optional for every kind: `condition_here() -> str`, which
`seqlab doctor` prints: how the component works on this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, Union, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

State: TypeAlias = Union["Tensor", "tuple[State, ...]"]  # `State | None` must work at run time
"""What a cell carries from window to window: a tensor or a nested tuple of tensors.

The batch is the first dimension of every tensor, and a row of zeros is a fresh row (the same
outputs as for None). Shapes are fixed; integers are allowed.
"""


class Ids(NamedTuple):
    """A document of token ids without text (synthetic tasks).

    `weights` (same length, >= 0) are the weights of the tokens as targets; None: all 1.
    """

    ids: np.ndarray
    weights: np.ndarray | None = None


Document: TypeAlias = str | Iterable[str] | Ids
"""A text, the pieces of one text (so that a large one streams), or token ids."""


class Batch(NamedTuple):
    """Training windows, one a row.

    `continues` says for each row whether it continues the same row of the previous batch: then its
    state is carried, else it starts fresh. Targets are inputs shifted by one. `weights` are those
    of the targets (0: padding); None: all 1.
    """

    inputs: Tensor  # (B, T) int64
    targets: Tensor  # (B, T) int64
    continues: Tensor  # (B,) bool
    weights: Tensor | None = None  # (B, T) float32

    def share(self, number: int, of: int) -> Batch:
        """Rows `number`, `number + of`, …, for worker `number` (from 0) of `of`.

        A worker has the same rows in every batch, so it needs only their states.
        """
        rows = slice(number, None, of)
        weights = None if self.weights is None else self.weights[rows]
        return Batch(self.inputs[rows], self.targets[rows], self.continues[rows], weights)


class Corpus(Protocol):
    """A source of text. Factory: `(*, options)`.

    Optional:

    - `files: Sequence[Path]`, all files that the content comes from. While their sizes and times
      are the same, `fingerprint` is not called again.
    - `split_files() -> Mapping[str, Sequence[Path]]`, the files of each split that has its own. A
      corpus that trains on a file of another split, or a link to it, is refused; the same content
      in two splits is logged.
    - `held_out: Sequence[Path]`, files that are left out of `train` for that reason; they are
      logged.
    """

    @property
    def splits(self) -> Sequence[str]:
        """Names of the splits; `train` is always among them."""

    def documents(self, split: str) -> Iterator[Document]:
        """Stream the documents of a split from the start, anew at each call."""

    def fingerprint(self) -> str:
        """Return a hash that changes with the content, and with nothing else.

        Raises:
            CorpusUnavailable: the text is not available here and now.
            CorpusError: it is available, but cannot be used.
        """


class Tokenizer(Protocol):
    """Text to token ids and back. Factory: `(*, options)`.

    Optional:

    - `unknown_token: int | None`, the id of any text without an id of its own; None: there is no
      such id. Without the attribute, an id with the bytes of U+FFFD is it. If unknown targets
      occur, bits per character and byte are not measured, as their cost is unknown.
    - `has_text: bool`, False if ids have no text: then bits are not measured, and `token_bytes`
      are for people to read.
    """

    @property
    def size(self) -> int:
        """How many token ids there are: 0 to size - 1."""

    @property
    def end_of_document(self) -> int | None:
        """The token id between documents, if any."""

    def fit(self, documents: Iterable[Document]) -> None:
        """Learn the vocabulary from the training split, in an order that repeats anywhere."""

    def encode(self, text: str) -> np.ndarray:
        """Return the token ids (1-D) of a text, or of a piece of one (about 1 MiB).

        Raises:
            ValueError: something in it has no id.
        """

    def token_bytes(self, token: int) -> bytes:
        """Return the UTF-8 bytes of a token; a text is the join of its tokens' bytes."""

    def state_dict(self) -> dict[str, Any]:
        """Return the vocabulary as JSON values and tensors, for the checkpoint."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore exactly what `state_dict` returned."""


class Sampler(Protocol):
    """Draws training windows. Factory: `(tokens, seed, *, options)`.

    `tokens` is a `seqlab.Tokens`, `seed` an int. Optional attribute of the factory:
    `documents: Literal["fresh", "carried"]`. "fresh": every document is trained from a fresh state
    and its first token is never a target, and evaluations do the same. "carried" (the default):
    the state is carried from one document to the next.
    """

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""

    def batch(self, epoch: int, index: int) -> Batch:
        """Return batch `index` of `epoch` (both from 0): a pure function."""

    def left_out(self, epoch: int) -> Sequence[range]:
        """Return the target positions in `tokens.ids` (1 and up) that `epoch` does not train."""


class Cell(Protocol):
    """Maps a window of inputs to a window of outputs: an `nn.Module`.

    Factory: `(input_size, *, options)`. Optional:

    - `from_ids(ids: Tensor, state: State | None) -> tuple[Tensor, State]`: ids (B, T) to outputs,
      equal to a call with one-hot vectors, which the one-hot embedding then never builds.
    - `id_stepper() -> IdStep`: generation uses it.
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


def offered(component: object, name: str) -> Any:
    """Return an optional method or attribute of a component; None: it has none."""
    return getattr(component, name, None)


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


class Observer(Protocol):
    """Receives events. Factory: `(*, options)`.

    It has one or more methods named as the events of `seqlab.hookspecs`, such as
    `seqlab_epoch_ended(self, record)`. It gets frozen records, never the model, so it cannot change
    a result. An event may return `seqlab.Stop(reason)`: the run is saved and ends, as `stopped`.
    Optional: `step_interval: int` (default 1), the steps between two `seqlab_step_ended`;
    `state_dict() -> Any` and `load_state_dict(state: Any) -> None`, to remember across a resume.
    """


NamedParameters: TypeAlias = list[tuple[str, "Tensor"]]
"""The first argument of an optimizer's factory `(parameters, *, options)`: names and parameters."""
