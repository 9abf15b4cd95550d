"""What text, token ids and training windows come from.

Shapes: B rows in a batch, T window.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


class Ids(NamedTuple):
    """A document of token ids without text (synthetic tasks).

    `weights` (same length, >= 0) are the weights of the tokens as targets; None: all 1.
    """

    ids: np.ndarray
    weights: np.ndarray | None = None


class Weighted(str):
    """A piece of a text whose tokens have a weight as targets (>= 0; of other text it is 1)."""

    weight: float

    def __new__(cls, text: str, weight: float) -> Weighted:
        self = super().__new__(cls, text)
        self.weight = float(weight)
        return self


Document: TypeAlias = str | Iterable[str] | Ids
"""A text, the pieces of one text (so that a large one streams, or parts of it are `Weighted`), or
token ids."""


class Batch(NamedTuple):
    """Training windows, one a row.

    `continues` says for each row whether it continues the same row of the previous batch: then its
    state is carried, else it starts fresh. Targets are inputs shifted by one. `weights` are those
    of the targets (0: padding); None: all 1. `starts` says where a document begins inside of a row,
    before which the state is fresh again; such a row does not continue in the next batch. None:
    nowhere.
    """

    inputs: Tensor  # (B, T) int64
    targets: Tensor  # (B, T) int64
    continues: Tensor  # (B,) bool
    weights: Tensor | None = None  # (B, T) float32
    starts: Tensor | None = None  # (B, T) bool

    def share(self, number: int, of: int) -> Batch:
        """Rows `number`, `number + of`, …, for worker `number` (from 0) of `of`.

        A worker has the same rows in every batch, so it needs only their states.
        """
        rows = slice(number, None, of)
        weights = None if self.weights is None else self.weights[rows]
        starts = None if self.starts is None else self.starts[rows]
        return Batch(self.inputs[rows], self.targets[rows], self.continues[rows], weights, starts)


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
    - `reserved: Mapping[str, int]`, ids that no text has, by their names, such as a `mask` that an
      objective puts into the inputs. Their bytes are empty.
    - `before_fitting() -> None`, called once before a corpus is read to fit it: it reads what it
      needs for that, such as a file, and raises ValueError if it cannot be used. One that is loaded
      from a checkpoint is not asked. `fit` and `load_state_dict` work without it.
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

    `tokens` is a `seqlab.Tokens`, `seed` an int. Optional:

    - `batches(epoch: int) -> int`, where epochs have different numbers of batches; `len` is that of
      the first.
    - `rate(epoch: int, index: int) -> float`, pure: what the learning rate of a step with this
      batch is multiplied by.
    - `carries_over_epochs: bool`, True if rows may continue from the last batch of an epoch into
      the next one, though they begin at another place there.

    Optional attribute of the factory: `documents: Literal["fresh", "carried"]`. "fresh": every
    document is trained from a fresh state and its first token is never a target, and evaluations do
    the same. "carried" (the default): the state is carried from one document to the next. A sampler
    around another one whose factory does not say it has what that one says.
    """

    def __len__(self) -> int:
        """Return the number of batches in an epoch (in the first one, if it has `batches`)."""

    def batch(self, epoch: int, index: int) -> Batch:
        """Return batch `index` of `epoch` (both from 0): a pure function."""

    def left_out(self, epoch: int) -> Sequence[range]:
        """Return the target positions in `tokens.ids` (1 and up) that `epoch` does not train."""
