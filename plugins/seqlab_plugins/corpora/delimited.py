"""Tables in text: CSV and TSV files, of which one column is the document."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from seqlab import Corpus, CorpusError, hookimpl
from seqlab_plugins.corpora.record_fields import Answer, Records
from seqlab_plugins.corpora.split_files import Files
from seqlab_plugins.corpora.text import Encoding
from seqlab_plugins.corpora.text_files import read_pieces

MAX_FIELD = 1 << 26  # characters


def _one_character(delimiter: str) -> str:
    if delimiter != "tab" and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ValueError("one character, such as ; or |, or tab")
    return delimiter


Delimiter = Annotated[str, AfterValidator(_one_character)]


class Csv(Records):
    """Tables of comma-separated values (RFC 4180): a document is the text of one column in a row.

    A field in quotes may have delimiters and line breaks in it, and quotes that are doubled. Blank
    lines are left out. The file may be compressed as .gz or .zip.

    Args:
        path: Required: a file, a glob such as parts/*.csv, or a list of these.
        text: the column with the texts, by its name or its number, from 1; `{prompt: …,
            completion: …}` names two, of which the second alone is trained.
        split: the column with the split of each document, one of them train; null: all are train.
        valid: files of the split `valid`.
        test: files of the split `test`.
        delimiter: what stands between fields, or `tab`; null: a tab in files that end with .tsv or
            .tab, else a comma.
        header: whether the first line of a file has the names of its columns.
        encoding: the encoding of the files, any that Python knows.
    """

    def __init__(
        self,
        *,
        path: Files,
        text: Annotated[int, Field(ge=1)] | str | Answer = "text",
        split: str | None = None,
        valid: Files | None = None,
        test: Files | None = None,
        delimiter: Delimiter | None = None,
        header: bool = True,
        encoding: Encoding = "utf-8",
    ) -> None:
        if not header and isinstance(text, str) and not text.isdecimal():
            raise ValueError("without a header, `text` is the number of a column, from 1")
        super().__init__(path, valid, test, str(text) if isinstance(text, int) else text, split)
        self._delimiter, self._header, self._encoding = delimiter, header, encoding

    def records(self, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
        names: Sequence[str] | None = None
        for where, fields in self._rows(path):
            if names is None:
                names = self._names(fields, path)
                if self._header:
                    continue
            if len(fields) != len(names):
                raise CorpusError(
                    f"{where}: has {len(fields)} fields, and the first line has {len(names)}"
                )
            yield where, dict(zip(names, fields, strict=True)) | self._by_number(names, fields)

    def _rows(self, path: Path) -> Iterator[tuple[str, list[str]]]:
        """Yield the rows of a file, each with the line where it ends."""
        lines = _lines(read_pieces(path, newlines="keep", encoding=self._encoding))
        csv.field_size_limit(MAX_FIELD)  # of the whole process; the default is 131,072
        reader = csv.reader(lines, delimiter=self._delimiter_of(path), strict=True)
        try:
            for fields in reader:
                if fields:
                    yield f"{path}:{reader.line_num}", fields
        except csv.Error as error:
            raise CorpusError(f"{path}:{reader.line_num}: is not CSV ({error})") from None

    def _delimiter_of(self, path: Path) -> str:
        if self._delimiter is None:
            return "\t" if {".tsv", ".tab"} & {*map(str.lower, path.suffixes)} else ","
        return "\t" if self._delimiter == "tab" else self._delimiter

    def _names(self, fields: Sequence[str], path: Path) -> Sequence[str]:
        """The names of the columns; those that are read must be there once."""
        if not self._header:
            return [str(number) for number in range(1, len(fields) + 1)]
        for name in self.fields:
            if fields.count(name) > 1:
                raise CorpusError(f"{path}: has several columns '{name}'; take one by its number")
        return fields

    def _by_number(self, names: Sequence[str], fields: Sequence[str]) -> dict[str, str]:
        """The columns that are asked for by number, where none is called so."""
        numbers = [name for name in self.fields if name.isdecimal() and name not in names]
        return {n: fields[int(n) - 1] for n in numbers if 0 < int(n) <= len(fields)}


def _lines(pieces: Iterator[str]) -> Iterator[str]:
    """Cut pieces behind each line feed; none is kept but the last, unfinished line."""
    parts: list[str] = []
    for piece in pieces:
        first, *rest = piece.split("\n")
        for part in rest:
            yield "".join([*parts, first, "\n"])
            parts, first = [], part
        parts.append(first)
    if last := "".join(parts):
        yield last


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"csv": Csv}
