"""A tokenizer that was made elsewhere, from its file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seqlab import Document, Tokenizer, hookimpl, text_pieces
from seqlab.files import read
from seqlab_plugins.tokenizers.basic import utf8
from seqlab_plugins.tokenizers.file_formats import FileTokenizer, open_file
from seqlab_plugins.tokenizers.text_loss import check_steps, loss_of

MAX_BYTES = 1 << 28


class File:
    """The tokenizer of a file: tokenizer.json, ranks of tiktoken, or a model of sentencepiece.

    Which of these it is follows from its content. The file is kept in checkpoints, so a run needs
    it no more once it has begun. Special tokens of the file are reserved: no text has one, and none
    is generated. Their names are their texts without brackets, so `[MASK]` is `mask`.
    Needs an extra: `seqlab[bpe]`, `seqlab[tiktoken]` or `seqlab[sentencepiece]`.

    Args:
        path: Required. The file.
        pattern: how ranks cut a text into words: the name of a published encoding, such as gpt2 or
            cl100k_base, or a regular expression.
        end_of_document: a special token of the file, as it is written there, between documents.
        lossy: accept steps after which a text does not come back from its ids, such as lower case.
    """

    def __init__(
        self,
        *,
        path: Path,
        pattern: str | None = None,
        end_of_document: str | None = None,
        lossy: bool = False,
    ) -> None:
        self._path, self._pattern, self._lossy = path, pattern, lossy
        self._separator = end_of_document
        self._data, self._tokens = b"", list[bytes]()
        self._opened: FileTokenizer | None = None
        self.unknown_token: int | None = None
        self.end_of_document: int | None = None
        self.reserved: Mapping[str, int] = {}

    @property
    def size(self) -> int:
        return len(self._tokens)

    def before_fitting(self) -> None:
        """Read the file."""
        try:
            data = read(self._path.resolve(), MAX_BYTES)
        except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"path: {self._path}: cannot be read ({reason})") from None
        try:
            self._open(data)
            if not self._lossy:
                check_steps(self._use(), self._tokens)
        except ValueError as error:
            raise ValueError(f"path: {self._path}: {error}") from None

    def fit(self, documents: Iterable[Document]) -> None:
        if self._opened is None:
            self.before_fitting()
        for document in documents:
            for _ in text_pieces(document):  # refuses a corpus of ids
                break

    def encode(self, text: str) -> NDArray[np.int32]:
        data, opened = utf8(text), self._use()
        ids = opened.encode(text)
        if not self._lossy and b"".join([self._tokens[token] for token in ids]) != data:
            raise ValueError(loss_of(opened, self._tokens, text, ids))
        return np.array(ids, dtype=np.int32)

    def token_bytes(self, token: int) -> bytes:
        return self._tokens[token]

    def state_dict(self) -> dict[str, Any]:
        return {"file": torch.from_numpy(np.frombuffer(self._data, np.uint8).copy())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._open(state["file"].numpy().tobytes())

    def _use(self) -> FileTokenizer:
        if self._opened is None:
            raise ValueError(f"{self._path}: is not read yet")
        return self._opened

    def _open(self, data: bytes) -> None:
        opened = open_file(data, self._pattern)
        self._opened, self._data = opened, data
        self._tokens = [b"" if token is None else token for token in opened.tokens]
        self.unknown_token = opened.unknown
        self.end_of_document = self._end(opened.special)
        self.reserved = _reserved(opened, self.end_of_document)

    def _end(self, special: Mapping[str, int]) -> int | None:
        if self._separator is not None and self._separator not in special:
            known = ", ".join(list(special)[:10]) or "none"
            raise ValueError(
                f"has no special token {self._separator!r} for `end_of_document` (it has {known})"
            )
        return None if self._separator is None else special[self._separator]


def _reserved(opened: FileTokenizer, end: int | None) -> dict[str, int]:
    """Special tokens by name, and the ids that the file leaves out."""
    names: dict[str, int] = {}
    for text, token in opened.special.items():
        name = re.sub(r"^\W+|\W+$", "", text).lower()
        names[text if name in names or not name else name] = token
    gaps = {f"unused {i}": i for i, token in enumerate(opened.tokens) if token is None}
    return {name: token for name, token in (names | gaps).items() if token != end}


@hookimpl
def seqlab_register_tokenizers() -> dict[str, type[Tokenizer]]:
    return {"file": File}
