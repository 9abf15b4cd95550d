"""Token ids with their documents, and windows cut from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from seqlab.contracts import Batch, Document, Ids, Tokenizer
from seqlab.documents import text_pieces, weight_of
from seqlab.errors import CorpusError


@dataclass(frozen=True)
class Tokens:
    """A split as token ids.

    Args:
        ids: 1-D, of any integer type; in a run a file, of which an index reads only a part.
        documents: 1-D, the position of each document's first token; in a run a file too.
        weights: 1-D like `ids`, the weight of each token as a target; None: all 1.
        counts: (V,) how often each id occurs; in a run always there, unless its store is older.
    """

    ids: NDArray[Any]
    documents: NDArray[np.int64]
    weights: NDArray[np.float32] | None = None
    counts: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def windows(
        self,
        starts: ArrayLike,
        length: int,
        *,
        continues: ArrayLike = False,
        stops: ArrayLike | None = None,
    ) -> Batch:
        """Cut one window a row: inputs from `starts`, targets one further.

        Args:
            starts: (B,) position of each row's first input.
            length: T.
            continues: (B,), or one value for all rows.
            stops: (B,) position after each row's last input; later ones get weight 0.

        Returns:
            Batch of (B, T).
        """
        starts = np.asarray(starts, dtype=np.int64)
        positions = starts[:, None] + np.arange(length + 1)
        ids = torch.from_numpy(self.ids[np.minimum(positions, len(self) - 1)].astype(np.int64))
        flags = torch.from_numpy(np.full(starts.shape, continues, dtype=bool))
        return Batch(ids[:, :-1], ids[:, 1:], flags, self._weights(positions, stops))

    def _weights(
        self, positions: NDArray[np.int64], stops: ArrayLike | None
    ) -> torch.Tensor | None:
        whole = stops is None or bool((positions[:, -1] <= np.asarray(stops)).all())
        if whole and self.weights is None:
            return None
        inside = np.ones(positions[:, 1:].shape, dtype=np.float32)
        if stops is not None:
            inside *= positions[:, :-1] < np.asarray(stops)[:, None]
        if self.weights is not None:
            inside *= self.weights[np.minimum(positions[:, 1:], len(self) - 1)]
        return torch.from_numpy(inside)


class Part(NamedTuple):
    """Consecutive tokens of a split; `begins`: a document begins with them."""

    ids: NDArray[Any]
    weights: NDArray[np.float32] | None = None
    begins: bool = False


SLICE = 1 << 20  # token ids of a document that are checked at once


def encode(documents: Iterable[Document], tokenizer: Tokenizer) -> Iterator[Part]:
    """Encode documents, with `end_of_document` between; CorpusError: a text has no id."""
    for number, document in enumerate(documents):
        if number and tokenizer.end_of_document is not None:
            yield Part(np.array([tokenizer.end_of_document]))
        yield Part(np.empty(0, dtype=np.int64), begins=True)
        where = f"document {number + 1}"
        if isinstance(document, Ids):
            yield from _check_document(document, tokenizer.size, where)
        else:
            yield from _encode_text(document, tokenizer, where)


def _check_document(document: Ids, size: int, where: str) -> Iterator[Part]:
    ids, weights = document
    if weights is not None and len(weights) != len(ids):
        raise CorpusError(f"{where}: has {len(ids)} ids and {len(weights)} weights")
    for start in range(0, len(ids), SLICE):
        part = slice(start, start + SLICE)
        _check_ids(ids[part], size, where)
        part_weights = None if weights is None else np.asarray(weights[part], np.float32)
        yield Part(np.asarray(ids[part]), part_weights)


def _encode_text(document: Document, tokenizer: Tokenizer, where: str) -> Iterator[Part]:
    offset = 0
    try:
        for piece in text_pieces(document):
            ids = np.asarray(tokenizer.encode(piece))
            _check_ids(ids, tokenizer.size, where)
            weight = weight_of(piece)
            yield Part(ids, None if weight == 1 else np.full(len(ids), weight, np.float32))
            offset += len(piece)
    except ValueError as error:
        after = f", from character {offset:,} on" if offset else ""
        raise CorpusError(f"{where}{after}: {error}") from None


def _check_ids(ids: NDArray[Any], size: int, where: str) -> None:
    if len(ids) and not 0 <= np.min(ids) <= np.max(ids) < size:
        wrong = ids[(ids < 0) | (ids >= size)][0]
        raise CorpusError(f"{where}: has the id {wrong}; ids are 0 … {size - 1}")


def decode(tokenizer: Tokenizer, ids: Iterable[int]) -> str:
    """Join the bytes of tokens and read them as UTF-8; half a character becomes U+FFFD."""
    return b"".join(tokenizer.token_bytes(int(i)) for i in ids).decode("utf-8", "replace")


def on_device(batch: Batch, device: torch.device) -> Batch:
    """Move a batch to a device, except `continues` and `starts`, which are read on the CPU."""
    weights = None if batch.weights is None else batch.weights.to(device, non_blocking=True)
    inputs = batch.inputs.to(device, non_blocking=True)
    targets = batch.targets.to(device, non_blocking=True)
    return Batch(inputs, targets, batch.continues, weights, batch.starts)
