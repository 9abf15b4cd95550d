"""A model of sentencepiece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seqlab_plugins.tokenizers.file_formats import UNKNOWN, expect_no_pattern, numbered
from seqlab_plugins.tokenizers.hugging_face import SPACE


class SentencePieces:
    """A model of sentencepiece, applied by its library.

    Raises:
        ValueError: it is damaged; the library is missing.
    """

    model_step = "its vocabulary"

    def __init__(self, data: bytes, pattern: str | None) -> None:
        expect_no_pattern(pattern, "model of sentencepiece")
        self._model = _opened(data)
        kinds = {i: _kind(self._model, i) for i in range(self._model.get_piece_size())}
        pieces = {i: self._model.id_to_piece(i) for i in kinds}
        self.special = {pieces[i]: i for i, kind in kinds.items() if kind == "special"}
        self.unknown = next((i for i, kind in kinds.items() if kind == "unknown"), None)
        self.tokens = numbered({i: _bytes(pieces[i], kind) for i, kind in kinds.items()})

    def encode(self, text: str) -> Sequence[int]:
        ids: list[int] = self._model.encode(text)
        return ids

    def losing_step(self, text: str) -> str | None:
        read = self._model.normalize(text).replace(SPACE, " ")
        return None if read == text else f"step `{_blamed(text, read)}` of the normalizer"


def _blamed(text: str, read: str) -> str:
    """The option of the normalizer that made another text of one."""
    if read in (f" {text}", f"{text} "):
        return "add_dummy_prefix"
    if read == text.replace(SPACE, " "):
        return "escape_whitespaces"
    if _single_spaced(read) == _single_spaced(text):
        return "remove_extra_whitespaces"
    return "normalization_rule"


def _single_spaced(text: str) -> str:
    return " ".join(filter(None, text.split(" ")))


def _opened(data: bytes) -> Any:
    try:
        import sentencepiece
    except ImportError:
        raise ValueError(
            "is a model of sentencepiece, which needs a package:"
            " pip install 'seqlab[sentencepiece]'"
        ) from None
    try:
        return sentencepiece.SentencePieceProcessor(model_proto=data)
    except Exception:  # the library raises nothing more particular, and names its own sources
        raise ValueError(
            "is no tokenizer.json (Hugging Face), no file of ranks (tiktoken) and no whole model"
            " of sentencepiece"
        ) from None


def _kind(model: Any, piece: int) -> str:
    if model.is_unknown(piece):
        return "unknown"
    if model.is_control(piece) or model.is_unused(piece):
        return "special"
    return "byte" if model.is_byte(piece) else "text"


def _bytes(piece: str, kind: str) -> bytes:
    if kind == "byte":
        return bytes([int(piece[3:5], 16)])
    if kind == "text":
        return piece.replace(SPACE, " ").encode()
    return UNKNOWN if kind == "unknown" else b""
