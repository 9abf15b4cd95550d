"""Parquet files, of which one column is the document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seqlab import Corpus, CorpusError, CorpusUnavailable, hookimpl
from seqlab_plugins.corpora.record_fields import Answer, Records
from seqlab_plugins.corpora.split_files import Files
from seqlab_plugins.corpora.text_files import check_ratio

ROWS = 64  # that are in memory at a time
BUFFER = 1 << 20  # bytes; without a buffer a whole row group would be read at once


class Parquet(Records):
    """Parquet files: a document is the text of one column in a row.

    Needs the extra: pip install 'seqlab[parquet]'.

    Args:
        path: Required: a file, a glob such as parts/*.parquet, or a list of these.
        text: the column with the texts; `{prompt: …, completion: …}` names two, of which the second
            alone is trained.
        split: the column with the split of each document, one of them train; null: all are train.
        valid: files of the split `valid`.
        test: files of the split `test`.
    """

    def __init__(
        self,
        *,
        path: Files,
        text: str | Answer = "text",
        split: str | None = None,
        valid: Files | None = None,
        test: Files | None = None,
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
        columns = self.fields
        number = 0
        try:
            with self._open(path, pre_buffer=False, buffer_size=BUFFER) as file:
                _check_columns(file.schema_arrow, columns, path)
                _check_sizes(file.metadata, path)
                for rows in file.iter_batches(ROWS, columns=columns, use_threads=False):
                    for record in rows.to_pylist():
                        number += 1
                        yield f"{path}: row {number:,}", record
        except FileNotFoundError:
            raise CorpusUnavailable(f"{path}: there is no such file") from None
        except UnicodeDecodeError as error:
            where = f"after row {number:,}" if number else "in the first rows"
            raise CorpusError(f"{path}: is not UTF-8 {where} ({error.reason})") from None
        except self._damaged as error:
            reason = " ".join(str(error).split())
            raise CorpusError(f"{path}: cannot be read as Parquet ({reason})") from None


def _check_sizes(metadata: Any, path: Path) -> None:
    """Refuse a file that is much larger uncompressed, before any of it is uncompressed.

    The sizes of columns are not read: in a damaged file that can end the process.
    """
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    check_ratio(sum(group.total_byte_size for group in groups), path.stat().st_size, path)


def _check_columns(schema: Any, columns: list[str], path: Path) -> None:
    import pyarrow.types as kinds

    def is_text(kind: Any) -> bool:
        kind = kind.value_type if kinds.is_dictionary(kind) else kind
        return any(
            test(kind) for test in (kinds.is_string, kinds.is_large_string, kinds.is_string_view)
        )

    texts = ", ".join(field.name for field in schema if is_text(field.type)) or "none"
    for name in columns:
        if name not in schema.names:
            raise CorpusError(f"{path}: has no column '{name}' (text columns: {texts})")
        if schema.names.count(name) > 1:
            raise CorpusError(f"{path}: has several columns '{name}'")
        if not is_text(schema.field(name).type):
            kind = schema.field(name).type
            raise CorpusError(f"{path}: column '{name}' is {kind}, no text (that are: {texts})")


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"parquet": Parquet}
