"""Ids that no text has, beside those of another tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from pydantic.types import StringConstraints

import seqlab

CHARACTERS, MASK = seqlab.component("characters"), ["mask"]
Name = Annotated[str, StringConstraints(pattern=r"[a-z][a-z0-9_]*")]


class WithReserved:
    """Another tokenizer, with further ids that no text has, such as a mask.

    Args:
        inner: the tokenizer.
        reserved: names of the further ids, which follow the others in this order.
    """

    def __init__(
        self,
        *,
        inner: seqlab.TokenizerFactory = CHARACTERS,
        reserved: Annotated[list[Name], Field(min_length=1, max_length=1000)] = MASK,
    ) -> None:
        if len({*reserved}) < len(reserved):
            raise ValueError(f"reserved has a name twice: {', '.join(reserved)}")
        self._inner, self._names = inner(), reserved

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # `unknown_token` and `has_text`, where it has them

    @property
    def size(self) -> int:
        return self._inner.size + len(self._names)

    @property
    def reserved(self) -> Mapping[str, int]:
        """The further ids, and those of the other tokenizer, whose names give way to these."""
        own = {name: token for token, name in enumerate(self._names, start=self._inner.size)}
        others = getattr(self._inner, "reserved", {}).items()
        return own | {f"{name} of inner" if name in own else name: i for name, i in others}

    @property
    def end_of_document(self) -> int | None:
        return self._inner.end_of_document

    def fit(self, documents: Iterable[seqlab.Document]) -> None:
        self._inner.fit(documents)

    def encode(self, text: str) -> np.ndarray:
        return self._inner.encode(text)

    def token_bytes(self, token: int) -> bytes:
        return self._inner.token_bytes(token) if token < self._inner.size else b""

    def state_dict(self) -> dict[str, Any]:
        return self._inner.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._inner.load_state_dict(state)


@seqlab.hookimpl
def seqlab_register_tokenizers() -> dict[str, type]:
    return {"with_reserved": WithReserved}
