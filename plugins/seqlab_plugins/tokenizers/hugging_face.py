"""The tokenizer.json of Hugging Face."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqlab_plugins.tokenizers.bpe import bytes_of_letters
from seqlab_plugins.tokenizers.file_formats import UNKNOWN, expect_no_pattern, numbered

SPACE = "\u2581"  # what a space becomes in many files: LOWER ONE EIGHTH BLOCK
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_EMPTY = {"type": "BPE", "vocab": {}, "merges": []}  # a model, where only a step before is asked

Undo = Callable[[str], bytes]


class HuggingFace:
    """A tokenizer.json, read and applied by the library `tokenizers`.

    Raises:
        ValueError: it is damaged, of another kind, or draws at random; the library is missing.
    """

    def __init__(self, data: bytes, pattern: str | None) -> None:
        expect_no_pattern(pattern, "tokenizer.json")
        self._library = _library()
        self._content = content = _content(data)
        self._tokenizer = self._opened(content)
        self._tokenizer.encode_special_tokens = True  # a text has none, whatever it says
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.model_step = f"step `{type(self._tokenizer.model).__name__}` of the model"
        self._steps = [*self._normalizers(), *self._cuts()]
        self._set_tokens()

    def encode(self, text: str) -> Sequence[int]:
        (encoding,) = self._tokenizer.encode_batch_fast([text], add_special_tokens=False)
        ids: list[int] = encoding.ids
        return ids

    def losing_step(self, text: str) -> str | None:
        for step in self._steps:
            after = step.apply(text)
            if step.undo(after) != text.encode():
                return step.name
            text = after
        return None

    def _opened(self, content: Mapping[str, Any]) -> Any:
        try:
            return self._library.Tokenizer.from_str(json.dumps(content))
        except Exception as error:  # the library raises nothing more particular
            raise ValueError(f"cannot be read as a tokenizer.json: {error}") from None

    def _set_tokens(self) -> None:
        model, spell = self._content["model"], _spelling(self._content)
        added = self._tokenizer.get_added_tokens_decoder()
        ids = self._tokenizer.get_vocab(with_added_tokens=True)
        self.special = {token.content: i for i, token in added.items() if token.special}
        self.unknown = _unknown(model, ids)
        tokens = {i: spell(token) for token, i in ids.items()}
        tokens |= {i: token.content.encode() for i, token in added.items()}
        tokens |= dict.fromkeys(self.special.values(), b"")
        if self.unknown is not None:
            tokens[self.unknown] = UNKNOWN
            self.special = {k: i for k, i in self.special.items() if i != self.unknown}
        self.tokens = numbered(tokens)

    def _normalizers(self) -> Iterator[_Step]:
        for part in _flat(self._content.get("normalizer"), "normalizers"):
            step = self._opened({**self._bare(), "normalizer": part}).normalizer
            yield _Step(part, "normalizer", step.normalize_str)

    def _cuts(self) -> Iterator[_Step]:
        for part in _flat(self._content.get("pre_tokenizer"), "pretokenizers"):
            step = self._opened({**self._bare(), "pre_tokenizer": part}).pre_tokenizer
            yield _Step(part, "pre-tokenizer", _joined(step.pre_tokenize_str))

    def _bare(self) -> dict[str, Any]:
        return {"version": self._content.get("version", "1.0"), "added_tokens": [], "model": _EMPTY}


class _Step:
    """One step before the model, and how its result reads as the text before it."""

    def __init__(self, part: Mapping[str, Any], where: str, apply: Callable[[str], str]) -> None:
        self.name, self.apply = f"step `{part['type']}` of the {where}", apply
        self.undo = _undo(part)


def _undo(part: Mapping[str, Any]) -> Undo:
    if part["type"] == "ByteLevel":
        return bytes_of_letters
    if part["type"] == "Metaspace" or _writes_spaces(part):
        mark = str(part.get("replacement") or part.get("content") or SPACE)
        return lambda text: text.replace(mark, " ").encode()
    return str.encode


def _writes_spaces(part: Mapping[str, Any]) -> bool:
    """Whether a step writes a mark for each space, which is then read as one."""
    return part["type"] == "Replace" and part.get("pattern") == {"String": " "}


def _joined(cut: Callable[[str], list[tuple[str, Any]]]) -> Callable[[str], str]:
    return lambda text: "".join(piece for piece, _ in cut(text))


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise ValueError(
            "is a tokenizer.json, which needs a package: pip install 'seqlab[bpe]'"
        ) from None
    return tokenizers


def _content(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no valid JSON ({error})") from None
    model = content.get("model")
    if not isinstance(model, dict):
        keys = ", ".join(list(content)[:3]) or "nothing"
        raise ValueError(
            f"is JSON, but no tokenizer.json: it has no `model` (it begins with {keys})"
        )
    if model.get("dropout"):
        raise ValueError("cuts at random (`dropout` of its model), so a text has no certain ids")
    return {**content, "truncation": None, "padding": None}


def _flat(part: Mapping[str, Any] | None, inner: str) -> Iterator[Mapping[str, Any]]:
    """The steps of a normalizer or pre-tokenizer, of which a sequence has several."""
    if part is None:
        return
    if part.get("type") != "Sequence":
        yield part
        return
    for step in part.get(inner) or ():
        yield from _flat(step, inner)


def _unknown(model: Mapping[str, Any], ids: Mapping[str, int]) -> int | None:
    token = model.get("unk_token")
    if token is not None:
        return ids.get(token)
    number = model.get("unk_id")  # of a Unigram model: a place in its list
    return number if isinstance(number, int) else None


@dataclass(frozen=True)
class _Marks:
    """What a token of the model may be written with, besides its text."""

    byte_level: bool
    space: str | None
    begins_word: bool  # a token without the prefix begins a word, which has a space before it
    prefix: str
    suffix: str


def _spelling(content: Mapping[str, Any]) -> Undo:
    """Return how a token of the model reads: its bytes."""
    marks = _marks(content)
    fallback = content["model"].get("byte_fallback") is True

    def spell(token: str) -> bytes:
        if fallback and (match := _BYTE.fullmatch(token)):
            return bytes([int(match[1], 16)])
        if marks.byte_level:
            return bytes_of_letters(token)
        return _plain(token, marks).encode("utf-8", "replace")

    return spell


def _plain(token: str, marks: _Marks) -> str:
    if marks.space:
        token = token.replace(marks.space, " ")
    if marks.suffix and token.endswith(marks.suffix):
        token = token[: -len(marks.suffix)] + " "
    if marks.prefix and token.startswith(marks.prefix):
        return token[len(marks.prefix) :]
    return f" {token}" if marks.begins_word else token


def _marks(content: Mapping[str, Any]) -> _Marks:
    steps = [
        *_flat(content.get("normalizer"), "normalizers"),
        *_flat(content.get("pre_tokenizer"), "pretokenizers"),
        *_flat(content.get("decoder"), "decoders"),
    ]
    spaces = [s.get("replacement") or SPACE for s in steps if s.get("type") == "Metaspace"]
    spaces += [s.get("content") for s in steps if _writes_spaces(s)]
    model = content["model"]
    return _Marks(
        byte_level=any(step.get("type") == "ByteLevel" for step in steps),
        space=next(iter(spaces), None),
        begins_word=any(step.get("type") == "WordPiece" for step in steps),
        prefix=model.get("continuing_subword_prefix") or "",
        suffix=model.get("end_of_word_suffix") or "",
    )
