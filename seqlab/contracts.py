"""What each kind of component promises.

Shapes: B rows in a batch, T window, I input size, O output size, V vocabulary size.
The promises are structural: a component need not inherit from anything here. Any of them may have
`condition_here()`: in a few words how it works on this machine, which `seqlab doctor` prints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, Union, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

State: TypeAlias = Union["Tensor", "tuple[State, ...]"]  # `State | None` must work at run time
"""What a cell carries from window to window: a tensor or a nested tuple of tensors.

Two rules make it generic: the batch is the first dimension of every tensor, and a row of zeros
is a fresh row (the same outputs as for None). Shapes are fixed; integers are allowed.
"""


class Ids(NamedTuple):
    """A document of token ids, where there is no text (synthetic tasks).

    `weights` (same length, >= 0) says how much each token counts as a target; None: all count 1.
    """

    ids: np.ndarray
    weights: np.ndarray | None = None


Document: TypeAlias = str | Iterable[str] | Ids
"""A text, pieces of one text (so that an enormous one streams), or token ids."""


class Batch(NamedTuple):
    """Training windows, one a row.

    `continues` says for each row whether it picks up where the same row of the previous batch
    left off: its state is carried, otherwise it starts afresh. Targets are inputs shifted by one.
    `weights` is how much each target counts (0: padding); None: all count 1.
    """

    inputs: Tensor  # (B, T) int64
    targets: Tensor  # (B, T) int64
    continues: Tensor  # (B,) bool
    weights: Tensor | None = None  # (B, T) float32

    def share(self, number: int, of: int) -> Batch:
        """Rows `number`, `number + of`, …: what one of `of` workers trains, `number` from 0.

        A worker has the same rows in every batch, so what it carries for them is enough.
        """
        rows = slice(number, None, of)
        weights = None if self.weights is None else self.weights[rows]
        return Batch(self.inputs[rows], self.targets[rows], self.continues[rows], weights)


class Corpus(Protocol):
    """Where text comes from. Factory: `(*, options)`.

    A corpus may also offer `files`, a list of paths: everything that its content comes from. While
    they are the same files, of the same sizes and times, `fingerprint` is not asked again.

    It may offer `split_files()`, which returns the paths of each split that has files of its own:
    `{"train": [...], "valid": [...]}`. A corpus that trains a file of another split is refused,
    whatever links lead to it, and the same content in two splits is said. What it leaves out of
    `train` for that reason it may name in `held_out`, a list of paths; they are said in one line.
    """

    @property
    def splits(self) -> Sequence[str]:
        """Names of the splits; `train` is always among them."""

    def documents(self, split: str) -> Iterator[Document]:
        """Stream the documents of a split from the start, anew at each call."""

    def fingerprint(self) -> str:
        """Return a hash that changes with the content, and with nothing else.

        Raises:
            CorpusUnavailable: the text cannot be had here and now.
            CorpusError: it is there, but cannot be used.
        """


class Tokenizer(Protocol):
    """Text to token ids and back. Factory: `(*, options)`.

    A tokenizer may also offer `unknown_token`: the id that stands for any text without an id of its
    own, or None if there is no such. Without that, an id whose bytes are those of U+FFFD is taken
    for one. Where unknown targets occur, bits per character and byte are not measured, as nobody
    knows what they would have cost. `has_text = False` says that ids stand for no text at all: bits
    are not measured then either, and `token_bytes` is for people to read.
    """

    @property
    def size(self) -> int:
        """How many token ids there are: 0 to size - 1."""

    @property
    def end_of_document(self) -> int | None:
        """The token id that is put between documents, if any."""

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
        """Come back exactly as `state_dict` described."""


class Sampler(Protocol):
    """Draws training windows. Factory: `(tokens, seed, *, options)`.

    Args of the factory: `tokens` is a `seqlab.Tokens`, `seed` an int. It may have the attribute
    `documents = "fresh"`, which says that every document is trained from a fresh state and its
    first token is never a target; evaluations then do the same. Without it ("carried") the text
    is read on from one document to the next.
    """

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""

    def batch(self, epoch: int, index: int) -> Batch:
        """Return batch `index` of `epoch` (both from 0): a pure function, nothing is remembered."""

    def left_out(self, epoch: int) -> Sequence[range]:
        """Return the target positions in `tokens.ids` (1 and up) that `epoch` does not train."""


class Cell(Protocol):
    """Maps a window of inputs to a window of outputs: an `nn.Module`.

    Factory: `(input_size, *, options)`. A cell may also offer `from_ids(ids (B, T), state)`, equal
    to being called with one-hot vectors; the one-hot embedding then never builds them. Besides it
    may offer `id_stepper()`, which returns an `IdStep`: text is generated through that.
    """

    @property
    def output_size(self) -> int:
        """O, the last dimension of the outputs."""

    def __call__(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        """(B, T, I) and the state before -> (B, T, O) and the state after. None: all rows fresh."""


IdStep: TypeAlias = Callable[["Tensor", State], tuple["Tensor", State]]
"""One step of a cell in evaluation: ids (B,) and state -> outputs (B, O) and state.

Equal to `from_ids` with a window of one. It is asked for anew whenever weights may have changed, so
it can keep what follows from them.
"""


GreedySteps: TypeAlias = Callable[["Tensor", State, int], tuple["Tensor", "Tensor", State]]
"""Steps of a cell and its head in evaluation, each from the most probable token of the one before.

ids (B,), state and how many steps are wanted -> the next ids (B, N), at least one and no more than
wanted; their log-probabilities (B, N); and the state before the last of them is read. Of equals the
lowest id is taken.
"""


def offered(component: object, name: str) -> Any:
    """Return an optional method or property of a component; None: it does not offer it."""
    return getattr(component, name, None)


@dataclass(frozen=True)
class Limits:
    """When a continuation ends: `ended` says so after each token.

    That is after `length` tokens, with one of the `stop` token ids, or where `stop_text` says of
    the ids so far that the last one completes a text to stop at. A decoder that searches and asks
    for less is cut short by the core, which is right but late.
    """

    length: int
    stop: frozenset[int] = frozenset()
    stop_text: Callable[[Sequence[int]], bool] | None = None

    @property
    def may_stop(self) -> bool:
        """Whether a continuation may end before its length; if not, nobody need look at the ids."""
        return bool(self.stop) or self.stop_text is not None

    def stopped(self, ids: Sequence[int]) -> bool:
        """Return whether the last of the ids chosen so far (one at least) is a stop."""
        return ids[-1] in self.stop or (self.stop_text is not None and self.stop_text(ids))

    def ended(self, ids: Sequence[int]) -> bool:
        """Return whether a continuation ends with the last of the ids chosen so far."""
        return len(ids) >= self.length or self.stopped(ids)


@dataclass(frozen=True)
class Start:
    """Where a search begins: the prefixes are read, nothing has been chosen yet.

    `rows` are the numbers that chance is derived from: a row has its own, in any company.
    """

    logits: Tensor  # (B, V), of the first token to choose
    state: State
    history: Tensor  # (B, P) int64: the tokens of the prefixes, all of one length
    rows: Tensor  # (B,) int64


@dataclass(frozen=True)
class Continuation:
    """Chosen tokens of one row, with the natural logarithm of each one's probability."""

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

    A decoder may also say `greedy = True`: that it always chooses the most probable token, of
    equals the lowest id. It need not be asked for each token then.
    """

    def choose(self, logits: Tensor, history: Tensor, uniform: Tensor) -> Tensor:
        """Return ids (B,) for logits (B, V): a pure function, so that batched equals one by one.

        `history` (B, t) holds the tokens so far, prefix included; `uniform` (B,), in [0, 1), is
        all the chance there is: float64, derived from the seed, the row's prefix and the step.
        The ids are int64, on the device of the logits.
        """


@runtime_checkable
class SearchDecoder(Protocol):
    """Looks ahead, as a beam does. Factory: `(*, options)`. The other form of a decoder."""

    def search(
        self, advance: Advance, start: Start, limits: Limits
    ) -> Sequence[Sequence[Continuation]]:
        """Return for each row its continuations, the best first.

        A state is reordered by indexing every tensor in its first dimension (`select_rows`).
        """


class Observer(Protocol):
    """Is told what happens. Factory: `(*, options)`.

    It has methods named as the events of `seqlab.hookspecs` (`seqlab_epoch_ended(self, record)`),
    those that it wants. It gets frozen records, never the model, so it cannot change a result.
    `step_interval` (default 1) says how many steps lie between two `seqlab_step_ended`.
    """


NamedParameters: TypeAlias = list[tuple[str, "Tensor"]]
"""What an optimizer's factory is given: `(parameters, *, options)`, parameters with their names."""

OptimizerFactory: TypeAlias = Callable[..., "Optimizer"]
ScheduleFactory: TypeAlias = Callable[..., "LRScheduler"]
