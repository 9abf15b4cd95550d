"""Corpora whose documents are one field of many records: lines of JSON, rows of Parquet."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from seqlab import Corpus, CorpusError, CorpusUnavailable, hookimpl
from seqlab_plugins.corpora.split_files import Files, SplitFiles
from seqlab_plugins.corpora.text_files import Fingerprint, expect_text, read_pieces

ROWS = 64  # of a Parquet file that are in memory at a time
MOST_BRACKETS = 1_000_000  # of a line of JSON; each becomes some sixty bytes
BUFFER = 1 << 20  # bytes; without one a whole group of rows would be read at once

_TYPES = {bool: "true or false", int: "a number", float: "a number", list: "a list"}


class _Records(SplitFiles, ABC):
    """Documents of files, or of one pool of files whose records name their splits."""

    def __init__(
        self, path: Files, valid: Files | None, test: Files | None, text: str, split: str | None
    ) -> None:
        if split is not None and (valid is not None or test is not None):
            raise ValueError("`split` takes the splits from `path`; leave out valid and test")
        super().__init__(path, valid, test)
        self._text = text
        self._split = split

    @abstractmethod
    def records(self, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield each record of a file, with its place for a message."""

    @property
    def splits(self) -> tuple[str, ...]:
        return super().splits if self._split is None else self._content.splits

    def documents(self, split: str) -> Iterator[str]:
        wanted = self._files if self._split is not None else {split: self._files[split]}
        return (text for name, text in self._texts(wanted) if name == split)

    def fingerprint(self) -> str:
        return str(self._content)

    @cached_property
    def _content(self) -> Fingerprint:
        content = Fingerprint()
        for split, text in self._texts(self._files):
            content.add(split, text)
        return content

    def _texts(self, files: Mapping[str, list[Path]]) -> Iterator[tuple[str, str]]:
        """Read the texts of files, each with its split's name."""
        for name, paths in files.items():
            for path in paths:
                for where, record in self.records(path):
                    split = name if self._split is None else _field(record, self._split, where)
                    yield split, _field(record, self._text, where)


def _field(record: Mapping[str, Any], name: str, where: str) -> str:
    """Take a text out of a record.

    Raises:
        CorpusError: it is not there, or is no text.
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


class Jsonl(_Records):
    """Lines of JSON, one object a line: a document is what one of its fields holds.

    The file is UTF-8, plain or packed as .gz or .zip; lines without anything on them are left out.

    Args:
        path: Required: a file, a glob such as parts/*.jsonl, or a list of these.
        text: the field that holds the text.
        split: a field that names the split of each document, one of them train; null: all are.
        valid: files of the split `valid`.
        test: files of the split `test`.
        max_line: characters that a line may have; a line of JSON is read as a whole.
    """

    def __init__(
        self,
        *,
        path: Path | list[Path],
        text: str = "text",
        split: str | None = None,
        valid: Path | list[Path] | None = None,
        test: Path | list[Path] | None = None,
        max_line: Annotated[int, Field(gt=0, le=1 << 32)] = 1 << 26,
    ) -> None:
        super().__init__(path, valid, test, text, split)
        self._max_line = max_line

    def records(self, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for number, line in enumerate(_lines(path, self._max_line), 1):
            if line and not line.isspace():
                where = f"{path}:{number}"
                yield where, _object(line, where)


def _lines(path: Path, limit: int) -> Iterator[str]:
    """Split a file where a line feed is, and never hold more than a line and a piece."""
    begun: list[str] = []  # of a line whose end has not come
    number = 1
    for piece in read_pieces(path, newlines="keep"):
        *ended, rest = piece.split("\n")
        for end in ended:
            yield _line([*begun, end], limit, f"{path}:{number}")
            begun = []
            number += 1
        begun.append(rest)
        _check_length(begun, limit, f"{path}:{number}")
    yield _line(begun, limit, f"{path}:{number}")


def _line(parts: list[str], limit: int, where: str) -> str:
    _check_length(parts, limit, where)
    return "".join(parts)


def _check_length(parts: list[str], limit: int, where: str) -> None:
    if sum(map(len, parts)) > limit:
        raise CorpusError(
            f"{where}: has more than {limit:,} characters; a line of JSON is read as a whole"
            " (`max_line` allows longer ones; one long text belongs into `corpus: text`)"
        )


def _object(line: str, where: str) -> Mapping[str, Any]:
    brackets = line.count("[") + line.count("{")
    if brackets > MOST_BRACKETS and brackets * 8 > len(line):
        raise CorpusError(f"{where}: has {brackets:,} lists and mappings, and hardly any text")
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        begun = " of its own; if this begins a JSON array" if line.lstrip()[:1] == "[" else ""
        advice = f"{begun}: one object a line is wanted, each whole" if begun else ""
        raise CorpusError(f"{where}:{error.colno}: is no JSON{advice} ({error.msg})") from None
    except (ValueError, RecursionError) as error:  # a number or a nesting beyond all reason
        raise CorpusError(f"{where}: cannot be read as JSON ({error})") from None
    if not isinstance(record, dict):
        raise CorpusError(f'{where}: should be an object such as {{"text": "…"}}')
    return record


class Parquet(_Records):
    """Parquet files: a document is what a column holds in a row.

    Needs the extra: pip install 'seqlab[parquet]'.

    Args:
        path: Required: a file, a glob such as parts/*.parquet, or a list of these.
        text: the column that holds the texts.
        split: a column that names the split of each document, one of them train; null: all are.
        valid: files of the split `valid`.
        test: files of the split `test`.
    """

    def __init__(
        self,
        *,
        path: Path | list[Path],
        text: str = "text",
        split: str | None = None,
        valid: Path | list[Path] | None = None,
        test: Path | list[Path] | None = None,
    ) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet
        except ImportError:
            raise ValueError(
                "corpus 'parquet' needs a package: pip install 'seqlab[parquet]'"
            ) from None
        self._open = pa.parquet.ParquetFile
        self._damaged = (OSError, ValueError, MemoryError, pa.ArrowException)
        super().__init__(path, valid, test, text, split)

    def records(self, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
        wanted = [self._text] if self._split is None else [self._text, self._split]
        number = 0
        try:
            with self._open(path, pre_buffer=False, buffer_size=BUFFER) as file:
                _check_columns(file.schema_arrow, wanted, path)
                _check_sizes(file.metadata, path)
                for rows in file.iter_batches(ROWS, columns=wanted, use_threads=False):
                    for record in rows.to_pylist():
                        number += 1
                        yield f"{path}: row {number:,}", record
        except FileNotFoundError:
            raise CorpusUnavailable(f"{path}: there is no such file") from None
        except UnicodeDecodeError as error:
            place = f"after row {number:,}" if number else "in the first rows"
            raise CorpusError(f"{path}: is not UTF-8 {place} ({error.reason})") from None
        except self._damaged as error:
            reason = " ".join(str(error).split())
            raise CorpusError(f"{path}: cannot be read as Parquet ({reason})") from None


def _check_sizes(metadata: Any, path: Path) -> None:
    """Refuse a file that unpacks out of all proportion, before any of it is unpacked.

    Of its columns nothing is asked: of damaged ones the library ends the process.
    """
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    expect_text(sum(group.total_byte_size for group in groups), path.stat().st_size, path)


def _check_columns(schema: Any, wanted: list[str], path: Path) -> None:
    import pyarrow.types as kinds

    def is_text(kind: Any) -> bool:
        kind = kind.value_type if kinds.is_dictionary(kind) else kind
        return any(
            test(kind) for test in (kinds.is_string, kinds.is_large_string, kinds.is_string_view)
        )

    texts = ", ".join(field.name for field in schema if is_text(field.type)) or "none"
    for name in wanted:
        if name not in schema.names:
            raise CorpusError(f"{path}: has no column '{name}' (its columns of text: {texts})")
        if schema.names.count(name) > 1:
            raise CorpusError(f"{path}: has several columns '{name}'")
        if not is_text(schema.field(name).type):
            kind = schema.field(name).type
            raise CorpusError(f"{path}: column '{name}' is {kind}, no text (that are: {texts})")


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"jsonl": Jsonl, "parquet": Parquet}
