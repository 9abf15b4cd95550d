"""Corpora of records, of which one field is the document; and those in JSON."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import Field

from seqlab import Corpus, CorpusError, Document, Weighted, hookimpl
from seqlab_plugins.corpora.json_arrays import NotAnArray, elements
from seqlab_plugins.corpora.split_files import Files, SplitFiles
from seqlab_plugins.corpora.text_files import Fingerprint, read_pieces

MAX_BRACKETS = 1_000_000  # in a line of JSON; each takes about sixty bytes of memory

Pair: TypeAlias = tuple[str, str]
_TYPES = {bool: "true or false", int: "a number", float: "a number", list: "a list"}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Two fields, of which the second continues the first.

    Args:
        prompt: the field with what is given; its tokens are no targets (their weight is 0).
        completion: the field with what is to follow.
    """

    prompt: str = "prompt"
    completion: str = "completion"


class Records(SplitFiles, ABC):
    """Records of files for each split, or of files whose records name their splits."""

    def __init__(
        self,
        path: Files,
        valid: Files | None,
        test: Files | None,
        text: str | Answer,
        split: str | None,
    ) -> None:
        if split is not None and (valid is not None or test is not None):
            raise ValueError("`split` takes the splits from `path`; leave out valid and test")
        super().__init__(path, valid, test)
        self._text = text
        self._split = split

    @abstractmethod
    def records(self, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield each record of a file, with its location for a message."""

    @property
    def splits(self) -> tuple[str, ...]:
        return super().splits if self._split is None else self._content.splits

    def documents(self, split: str) -> Iterator[Document]:
        files = self._files if self._split is not None else {split: self._files[split]}
        texts = (text for name, text in self._texts(files) if name == split)
        return (text if isinstance(text, str) else _with_weights(*text) for text in texts)

    @property
    def fields(self) -> list[str]:
        """The names of the fields that are read."""
        text = self._text
        texts = [text] if isinstance(text, str) else [text.prompt, text.completion]
        return texts if self._split is None else [*texts, self._split]

    def fingerprint(self) -> str:
        return str(self._content)

    @cached_property
    def _content(self) -> Fingerprint:
        content = Fingerprint()
        for split, text in self._texts(self._files):
            for part in [text] if isinstance(text, str) else text:
                content.add(split, part)
        return content

    def _texts(self, files: Mapping[str, list[Path]]) -> Iterator[tuple[str, str | Pair]]:
        """Read the texts of files, each with the name of its split."""
        for name, paths in files.items():
            for path in paths:
                for where, record in self.records(path):
                    split = name if self._split is None else _field(record, self._split, where)
                    yield split, self._text_of(record, where)

    def _text_of(self, record: Mapping[str, Any], where: str) -> str | Pair:
        text = self._text
        if isinstance(text, str):
            return _field(record, text, where)
        return _field(record, text.prompt, where), _field(record, text.completion, where)


def _with_weights(prompt: str, completion: str) -> Document:
    return [Weighted(prompt, 0), completion]


def _field(record: Mapping[str, Any], name: str, where: str) -> str:
    """Read a text from a record.

    Raises:
        CorpusError: the field is missing, or is not a text.
    """
    if name not in record:
        has = ", ".join(list(record)[:9]) or "none"
        raise CorpusError(f"{where}: has no field '{name}' (its fields: {has})")
    value = record[name]
    if not isinstance(value, str):
        kind = "null" if value is None else _TYPES.get(type(value), "a mapping")
        raise CorpusError(f"{where}: field '{name}' is {kind}, not a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        message = f"has half a surrogate pair at character {error.start:,}"
        raise CorpusError(f"{where}: field '{name}' {message}") from None
    return value


class Jsonl(Records):
    """JSON, an object on each line or an array of objects: a document is the text of one field.

    The file is UTF-8, plain or compressed as .gz or .zip; blank lines are left out.

    Args:
        path: Required: a file, a glob such as parts/*.jsonl, or a list of these.
        text: the field with the text; `{prompt: …, completion: …}` names two, of which the second
            alone is trained.
        split: the field with the split of each document, one of them train; null: all are train.
        valid: files of the split `valid`.
        test: files of the split `test`.
        max_line: the most characters of a line or of an element, which is read as a whole.
    """

    def __init__(
        self,
        *,
        path: Path | list[Path],
        text: str | Answer = "text",
        split: str | None = None,
        valid: Path | list[Path] | None = None,
        test: Path | list[Path] | None = None,
        max_line: Annotated[int, Field(gt=0, le=1 << 32)] = 1 << 26,
    ) -> None:
        super().__init__(path, valid, test, text, split)
        self._max_line = max_line

    def records(self, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if _is_array(path):
            yield from _elements(path, self._max_line)
            return
        for number, line in enumerate(_lines(path, self._max_line), 1):
            if line and not line.isspace():
                where = f"{path}:{number}"
                yield where, _object(line, where)


def _is_array(path: Path) -> bool:
    """Whether the first character of a file begins an array."""
    pieces = read_pieces(path, newlines="keep")
    start = next((text for piece in pieces if (text := piece.lstrip())), "")
    return start.startswith("[")


def _elements(path: Path, limit: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    number = 0
    try:
        for element in elements(read_pieces(path, newlines="keep"), limit):
            number += 1
            where = f"{path}: element {number:,}"
            yield where, _checked_object(element, where)
    except NotAnArray as error:
        where = f"{path}: element {error.number:,}"
        raise CorpusError(f"{where}: is not JSON ({error})") from None


def _lines(path: Path, limit: int) -> Iterator[str]:
    """Split a file at line feeds, with no more than a line and a piece in memory."""
    parts: list[str] = []  # of the current line
    number = 1
    for piece in read_pieces(path, newlines="keep"):
        for i, part in enumerate(piece.split("\n")):
            if i:
                yield "".join(parts)
                parts = []
                number += 1
            parts.append(part)
            if sum(map(len, parts)) > limit:
                raise CorpusError(
                    f"{path}:{number}: has more than {limit:,} characters; a line of JSON is read"
                    " as a whole (`max_line` allows longer ones; for one long text use"
                    " `corpus: text`)"
                )
    yield "".join(parts)


def _object(line: str, where: str) -> Mapping[str, Any]:
    brackets = line.count("[") + line.count("{")
    if brackets > MAX_BRACKETS and brackets * 8 > len(line):
        raise CorpusError(f"{where}: has {brackets:,} lists and mappings, and hardly any text")
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise CorpusError(f"{where}:{error.colno}: is not JSON ({error.msg})") from None
    except (ValueError, RecursionError) as error:  # a number that is too long, or too deep nesting
        raise CorpusError(f"{where}: cannot be read as JSON ({error})") from None
    return _checked_object(record, where)


def _checked_object(record: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(record, dict):
        raise CorpusError(f'{where}: should be an object such as {{"text": "…"}}')
    return record


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"jsonl": Jsonl}
