"""Records in JSON, on lines or in an array, of which one field is the document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from seqlab import Corpus, CorpusError, hookimpl
from seqlab_plugins.corpora.json_arrays import NotAnArray, elements
from seqlab_plugins.corpora.record_fields import Answer, Records
from seqlab_plugins.corpora.split_files import Files
from seqlab_plugins.corpora.text_files import read_pieces

MAX_BRACKETS = 1_000_000  # in a line of JSON; each takes about sixty bytes of memory


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
        path: Files,
        text: str | Answer = "text",
        split: str | None = None,
        valid: Files | None = None,
        test: Files | None = None,
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
