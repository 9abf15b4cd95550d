"""Datasets of Hugging Face, saved or from the hub, of which one column is the document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from seqlab import Corpus, CorpusError, Document, LocalFolder, hookimpl
from seqlab_plugins.corpora.hugging_face_hub import downloaded, saved
from seqlab_plugins.corpora.record_fields import Answer, document_of, text_of
from seqlab_plugins.corpora.text_files import Fingerprint

ROWS = 64  # that are in memory at a time
_TEXT = ("string", "large_string", "string_view")


def _commit(revision: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ValueError(
            "a commit of 40 hexadecimal digits, as branches and tags move; the dataset's page on"
            " the hub lists them under Files, History"
        )
    return revision


def _dataset(name: str) -> str:
    if not re.fullmatch(r"([A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*", name):
        raise ValueError("the name of a dataset on the hub, such as Salesforce/wikitext")
    return name


class HuggingFace:
    """A dataset of Hugging Face: a document is the text of one column in a row.

    It is one that `save_to_disk` wrote, or one of the hub at a commit, which is downloaded once.
    Needs the extra: pip install 'seqlab[hugging_face]'. A login is that of the machine (HF_TOKEN,
    or `hf auth login`).

    Args:
        path: the folder of a saved dataset.
        dataset: the name of a dataset on the hub, instead of `path`.
        revision: the commit of `dataset`, 40 hexadecimal digits.
        config: the configuration (subset) of `dataset`, where it has several.
        text: the column with the texts; `{prompt: …, completion: …}` names two, of which the second
            alone is trained.
        split: the split of the dataset that is trained.
        valid: the split of the dataset that becomes `valid`.
        test: the split of the dataset that becomes `test`.
    """

    def __init__(
        self,
        *,
        path: LocalFolder | None = None,
        dataset: Annotated[str, AfterValidator(_dataset)] | None = None,
        revision: Annotated[str, AfterValidator(_commit)] | None = None,
        config: str | None = None,
        text: str | Answer = "text",
        split: str = "train",
        valid: str | None = None,
        test: str | None = None,
    ) -> None:
        if (path is None) == (dataset is None):
            raise ValueError("needs either `path`, of a saved dataset, or `dataset`, of the hub")
        if (revision is None) != (dataset is None):
            raise ValueError("`dataset` and `revision` belong together: a name, and its commit")
        if path is not None and config is not None:
            raise ValueError("`config` is of a dataset on the hub; leave it out beside `path`")
        self._folder, self._where = path, str(path or dataset)
        by_name = saved(path) if path else downloaded(dataset or "", revision or "", config)
        names = {"train": split, "valid": valid, "test": test}
        self._parts = {
            own: _part(by_name, name, self._where)
            for own, name in names.items()
            if name is not None
        }
        _check_different(names)
        self._text = text
        for part in self._parts.values():
            _check_columns(part, self._columns, self._where)

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._parts)

    @property
    def files(self) -> list[Path]:
        """The files of a saved folder, or those of Arrow in the cache of the library."""
        if self._folder:
            return sorted(file for file in self._folder.rglob("*") if file.is_file())
        names = [file["filename"] for part in self._parts.values() for file in part.cache_files]
        return [Path(name).absolute() for name in dict.fromkeys(names)]

    def documents(self, split: str) -> Iterator[Document]:
        return (document_of(record, self._text, where) for where, record in self._records(split))

    def fingerprint(self) -> str:
        return self._content

    @cached_property
    def _content(self) -> str:
        content = Fingerprint()
        for split in self.splits:
            for where, record in self._records(split):
                text = text_of(record, self._text, where)
                for part in [text] if isinstance(text, str) else text:
                    content.add(split, part)
        return str(content)

    @property
    def _columns(self) -> list[str]:
        text = self._text
        return [text] if isinstance(text, str) else [text.prompt, text.completion]

    def _records(self, split: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each row, with its location for a message."""
        columns, number = self._columns, 0
        for rows in self._parts[split].select_columns(columns).iter(ROWS):
            for values in zip(*(rows[column] for column in columns), strict=True):
                number += 1
                yield f"{self._where}: row {number:,}", dict(zip(columns, values, strict=True))


def _part(by_name: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in by_name:
        names = ", ".join(map(str, by_name))
        raise CorpusError(f"{where}: has no split '{name}' (its splits: {names})")
    return by_name[name]


def _check_different(names: Mapping[str, str | None]) -> None:
    chosen = [name for name in names.values() if name is not None]
    if twice := [name for name in chosen if chosen.count(name) > 1]:
        raise ValueError(f"`split`, `valid` and `test` name '{twice[0]}' twice")


def _check_columns(part: Any, columns: list[str], where: str) -> None:
    kinds = {name: getattr(kind, "dtype", None) for name, kind in part.features.items()}
    texts = ", ".join(name for name, kind in kinds.items() if kind in _TEXT) or "none"
    for name in columns:
        if name not in kinds:
            raise CorpusError(f"{where}: has no column '{name}' (text columns: {texts})")
        if kinds[name] not in _TEXT:
            kind = kinds[name] or type(part.features[name]).__name__
            raise CorpusError(f"{where}: column '{name}' is {kind}, no text (that are: {texts})")


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"hugging_face": HuggingFace}
