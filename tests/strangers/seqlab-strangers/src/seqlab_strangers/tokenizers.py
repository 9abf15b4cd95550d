"""A tokenizer around any other one, which refuses no text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import seqlab

SEQLAB_API = 2


class ByteFallback:
    """Another tokenizer; characters that it refuses are written as their UTF-8 bytes.

    Args:
        inner: the tokenizer; one that has an unknown token refuses nothing, and is not meant.
    """

    unknown_token = None

    def __init__(
        self,
        *,
        inner: seqlab.TokenizerFactory = seqlab.component("characters"),  # noqa: B008 # nobody changes it
    ) -> None:
        self.inner = inner()
        if getattr(self.inner, "unknown_token", None) is not None:
            raise ValueError("inner: it has an unknown token, so it refuses no text")

    @property
    def size(self) -> int:
        return self.inner.size + 256

    @property
    def end_of_document(self) -> int | None:
        return self.inner.end_of_document

    def fit(self, documents: Iterable[seqlab.Document]) -> None:
        self.inner.fit(documents)

    def encode(self, text: str) -> NDArray[np.int64]:
        try:
            return np.asarray(self.inner.encode(text), np.int64)
        except ValueError:
            ids = {letter: self._letter(letter) for letter in dict.fromkeys(text)}
            return np.fromiter((i for letter in text for i in ids[letter]), np.int64)

    def _letter(self, letter: str) -> list[int]:
        try:
            return [int(token) for token in self.inner.encode(letter)]
        except ValueError:
            return [self.inner.size + byte for byte in letter.encode()]

    def token_bytes(self, token: int) -> bytes:
        own = token - self.inner.size
        return self.inner.token_bytes(token) if own < 0 else bytes([own])

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.inner.load_state_dict(state)


@seqlab.hookimpl
def seqlab_register_tokenizers() -> dict[str, Callable[..., seqlab.Tokenizer]]:
    return {"byte_fallback": ByteFallback}
