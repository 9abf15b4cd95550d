"""Records of files, and the fields of them that are a document's text and split."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from seqlab import CorpusError, Document, Weighted
from seqlab_plugins.corpora.split_files import Files, SplitFiles
from seqlab_plugins.corpora.text_files import Fingerprint

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
        return (_document(text) for name, text in self._texts(files) if name == split)

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
                    yield split, text_of(record, self._text, where)


def text_of(record: Mapping[str, Any], text: str | Answer, where: str) -> str | Pair:
    """The text of a record, or what is given and what follows.

    Raises:
        CorpusError: a field is missing, or is not a text.
    """
    if isinstance(text, str):
        return _field(record, text, where)
    return _field(record, text.prompt, where), _field(record, text.completion, where)


def document_of(record: Mapping[str, Any], text: str | Answer, where: str) -> Document:
    """The document of a record; what is given weighs nothing in it. Raises as `text_of`."""
    return _document(text_of(record, text, where))


def _document(text: str | Pair) -> Document:
    return text if isinstance(text, str) else [Weighted(text[0], 0), text[1]]


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
