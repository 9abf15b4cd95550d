"""A tokenizer that decodes, whatever its author wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from seqlab.contracts import Document, Tokenizer
from seqlab.data.tokens import decode
from seqlab.errors import UsageError


class DecodingTokenizer:
    """Another tokenizer, with `decode` beside; everything else is that one's own."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    @property
    def size(self) -> int:
        """How many token ids there are: 0 to size - 1."""
        return self._tokenizer.size

    @property
    def end_of_document(self) -> int | None:
        """The token id between documents, if any."""
        return self._tokenizer.end_of_document

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of token ids (1-D): the join of their bytes, read as UTF-8.

        Half a character becomes U+FFFD.

        Raises:
            UsageError: they are not 1-D, or one is no token id.
        """
        array = np.asarray(ids if hasattr(ids, "__array__") else list(ids))
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            shape = f"shape {array.shape}, type {array.dtype}"
            raise UsageError(f"ids should be whole numbers in one dimension, not {shape}")
        outside = array[(array < 0) | (array >= self.size)] if array.size else array
        if outside.size:
            raise UsageError(f"ids: {outside[0]} is no token id; they are 0 to {self.size - 1}")
        return decode(self._tokenizer, map(int, array))

    def fit(self, documents: Iterable[Document]) -> None:
        """Learn the vocabulary."""
        self._tokenizer.fit(documents)

    def encode(self, text: str) -> np.ndarray:
        """Return the token ids (1-D) of a text; raise ValueError if something in it has no id."""
        return self._tokenizer.encode(text)

    def token_bytes(self, token: int) -> bytes:
        """Return the UTF-8 bytes of a token."""
        return self._tokenizer.token_bytes(token)

    def state_dict(self) -> dict[str, Any]:
        """Return the vocabulary as JSON values and tensors."""
        return self._tokenizer.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._tokenizer.load_state_dict(state)

    def __getattr__(self, name: str) -> Any:
        if name == "_tokenizer":  # not yet there, as in a copy that is being made
            raise AttributeError(name)
        return getattr(self._tokenizer, name)

    def __repr__(self) -> str:
        return f"<tokenizer {type(self._tokenizer).__name__}, {self.size:,} tokens>"
