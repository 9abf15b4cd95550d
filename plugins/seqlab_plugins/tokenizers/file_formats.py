"""A file of a tokenizer -> what it says, whatever its format."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

MAX_IDS = 1 << 22  # no file of a tokenizer has as many
UNKNOWN = "\ufffd".encode()

_RANK = re.compile(rb"[A-Za-z0-9+/]+={0,2} \d+\r?\n?")
_POINTER = b"version https://git-lfs"
_PIECE = b"\n"  # the first field of a model of sentencepiece


class FileTokenizer(Protocol):
    """What a file says."""

    @property
    def tokens(self) -> Sequence[bytes | None]:
        """The bytes of each id; None: the file has no such id."""

    @property
    def special(self) -> Mapping[str, int]:
        """Ids that stand for no text, by what the file calls them."""

    @property
    def unknown(self) -> int | None:
        """The id of any text without an id."""

    @property
    def model_step(self) -> str:
        """What is to blame for a loss that no step before the model causes."""

    def encode(self, text: str) -> Sequence[int]:
        """Return the ids of a text, none of which is special."""

    def losing_step(self, text: str) -> str | None:
        """Name the first step before the model after which a text is another one."""


Open = Callable[[bytes, str | None], FileTokenizer]


@lru_cache(maxsize=2)  # a large file takes a second, and one run asks several times
def open_file(data: bytes, pattern: str | None) -> FileTokenizer:
    """Read the content of a file, whose format follows from it.

    Args:
        data: the content.
        pattern: what cuts a text into words, for a file that does not say so.

    Raises:
        ValueError: it has none of the formats, is damaged, or needs a package.
    """
    opened = _reader(data)(data, pattern)
    if len(opened.tokens) > MAX_IDS:
        raise ValueError(f"has ids up to {len(opened.tokens) - 1:,}; that is more than there are")
    return opened


def _reader(data: bytes) -> Open:
    if data.startswith(_POINTER):
        raise ValueError("is a pointer of Git LFS, not the file; fetch it with: git lfs pull")
    if data.lstrip()[:1] == b"{":
        from seqlab_plugins.tokenizers.hugging_face import HuggingFace

        return HuggingFace
    if _RANK.fullmatch(data[: data.find(b"\n") + 1 or None]):
        from seqlab_plugins.tokenizers.ranks import Ranks

        return Ranks
    if data.startswith(_PIECE):
        from seqlab_plugins.tokenizers.sentence_pieces import SentencePieces

        return SentencePieces
    raise ValueError(
        "is no tokenizer.json (Hugging Face), no file of ranks (tiktoken) and no model of"
        " sentencepiece"
    )


def expect_no_pattern(pattern: str | None, name: str) -> None:
    """Raise ValueError if a pattern was given for a file that has its own."""
    if pattern is not None:
        raise ValueError(f"is a {name}, which has its own rules: leave `pattern` out")


def numbered(tokens: Mapping[int, bytes]) -> list[bytes | None]:
    """Return tokens by id, with None for ids between that there are not."""
    size = max(tokens, default=-1) + 1
    if size > MAX_IDS or min(tokens, default=0) < 0:
        raise ValueError(f"has an id of {max(tokens):,}; ids are 0 to {MAX_IDS - 1:,}")
    return [tokens.get(token) for token in range(size)]
