"""Token ids on disk: written in one pass, whole or absent, opened without reading them.

A store is a folder with `ids.bin`, `documents.bin`, `counts.bin` (how often each id occurs),
perhaps `weights.bin`, the CRC-32 of every block of them in `checksums.bin`, and `manifest.json`,
with a SHA-256 of the checksums and of itself. Numbers are little-endian; ids have the smallest
unsigned type that holds the vocabulary.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from array import array
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from seqlab.atomic import atomic_folder, write_synced
from seqlab.data.mapped_arrays import BLOCK, Column, StoredArray
from seqlab.data.tokens import Part, Tokens
from seqlab.errors import CorpusError
from seqlab.files import create, expect_folder, read, size_of, sync_file

FORMAT = 1
MANIFEST, CHECKSUMS = "manifest.json", "checksums.bin"
FILES = ("ids.bin", "documents.bin", "counts.bin", "weights.bin", CHECKSUMS, MANIFEST)
MAX_MANIFEST, MAX_CHECKSUMS = 1 << 20, 4 << 30  # bytes
BUFFER = 1 << 20  # tokens that are written at once


class Damaged(Exception):
    """A store is missing or damaged."""


def write_store(
    folder: Path, parts: Iterable[Part], vocabulary: int, about: Mapping[str, Any]
) -> None:
    """Write a store in one pass and in constant memory; the folder appears when all is on disk.

    `vocabulary` is the number of ids, `about` a description for people.

    Raises:
        CorpusError: there is no token.
        OSError: it cannot be written.
    """
    small = np.min_scalar_type(max(vocabulary - 1, 0))
    with atomic_folder(folder) as temporary, ExitStack() as files:
        ids = files.enter_context(create(temporary / "ids.bin"))
        writer = _IdWriter(ids, small.newbyteorder("<"), vocabulary)
        columns = _write_columns(temporary, parts, writer, files)
        sums = b"".join(column.sums.tobytes() for column in columns.values())
        manifest = {
            "format": FORMAT,
            "about": dict(about),
            "tokens": columns["ids"].count,
            "documents": columns["documents"].count,
            "columns": {name: [c.dtype.str, c.size] for name, c in columns.items()},
            "checksums": hashlib.sha256(sums).hexdigest(),
        }
        write_synced(temporary / CHECKSUMS, sums)
        text = json.dumps(manifest | {"sha256": _hash_of(manifest)}, ensure_ascii=False, indent=1)
        write_synced(temporary / MANIFEST, text.encode())


def _write_columns(
    folder: Path, parts: Iterable[Part], ids: _IdWriter, files: ExitStack
) -> dict[str, _ColumnWriter]:
    """Write the columns; that of weights only from the first weight that is not 1."""
    columns: dict[str, _ColumnWriter] = {"ids": ids}

    def new_column(name: str, dtype: np.dtype[Any]) -> _ColumnWriter:
        file = files.enter_context(create(folder / f"{name}.bin"))
        return columns.setdefault(name, _ColumnWriter(file, dtype))

    documents = new_column("documents", np.dtype("<i8"))
    weights: _ColumnWriter | None = None
    for part in parts:
        if part.begins:
            documents.add(np.array([ids.count]))
        if weights is None and part.weights is not None and (part.weights != 1).any():
            weights = new_column("weights", np.dtype("<f4"))
            for start in range(0, ids.count, BUFFER):
                weights.add(np.ones(min(BUFFER, ids.count - start)))
        if weights is not None:
            weights.add(np.ones(len(part.ids)) if part.weights is None else part.weights)
        ids.add(part.ids)
    if not ids.count:
        raise CorpusError("is empty: it has no token")
    ids.finish()
    new_column("counts", np.dtype("<i8")).add(ids.counts)
    for name in columns.keys() - {"ids"}:
        columns[name].finish()
    return columns


class _ColumnWriter:
    """Writes one column, buffered, in whole blocks."""

    def __init__(self, file: IO[bytes], dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.count = 0  # numbers
        self.size = 0  # bytes in the file
        self.sums = array("I")
        self._file = file
        self._buffer = bytearray()

    def add(self, values: NDArray[Any]) -> None:
        self._buffer += np.asarray(values).astype(self.dtype).tobytes()
        self.count += len(values)
        if len(self._buffer) >= BUFFER * self.dtype.itemsize:
            self._write(len(self._buffer) // BLOCK * BLOCK)

    def _write(self, end: int) -> None:
        data = memoryview(self._buffer[:end])
        self.sums.extend(zlib.crc32(data[at : at + BLOCK]) for at in range(0, end, BLOCK))
        self._file.write(data)
        self.size += end
        del self._buffer[:end]

    def finish(self) -> None:
        self._write(len(self._buffer))
        sync_file(self._file)


class _IdWriter(_ColumnWriter):
    """Counts the ids as it writes them."""

    def __init__(self, file: IO[bytes], dtype: np.dtype[Any], vocabulary: int) -> None:
        super().__init__(file, dtype)
        self.counts = np.zeros(vocabulary, dtype=np.int64)

    def _write(self, end: int) -> None:
        ids = np.frombuffer(bytes(self._buffer[:end]), self.dtype)
        self.counts += np.bincount(ids, minlength=len(self.counts))
        super()._write(end)


def open_store(folder: Path, rebuild: Callable[[], None]) -> Tokens:
    """Open a store, or raise Damaged; `rebuild` makes it anew if a damaged block is read later."""

    def rebuilt(name: str) -> Column:
        rebuild()
        return _columns(folder)[name]

    arrays: dict[str, Any] = {
        name: StoredArray(column, partial(rebuilt, name))
        for name, column in _columns(folder).items()
    }
    return Tokens(arrays["ids"], arrays["documents"], arrays.get("weights"), arrays.get("counts"))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a store. Raises Damaged: it is missing or damaged."""
    try:
        expect_folder(folder)
        manifest: dict[str, Any] = json.loads(read(folder / MANIFEST, MAX_MANIFEST))
        digest = manifest.pop("sha256")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Damaged(f"{folder / MANIFEST}: {error}") from None
    if digest != _hash_of(manifest) or manifest.get("format") != FORMAT:
        raise Damaged(f"{folder / MANIFEST}: is damaged, or of another format than {FORMAT}")
    return manifest


def _columns(folder: Path) -> dict[str, Column]:
    manifest = read_manifest(folder)
    try:
        sums = read(folder / CHECKSUMS, MAX_CHECKSUMS)
        if hashlib.sha256(sums).hexdigest() != manifest["checksums"]:
            raise Damaged(f"{folder / CHECKSUMS}: is damaged")
        rest = np.frombuffer(sums, "<u4")
        columns = {}
        for name, (dtype, size) in manifest["columns"].items():
            path, blocks = folder / f"{name}.bin", -(-size // BLOCK)
            if f"{name}.bin" not in FILES or size_of(path) != size:
                raise Damaged(f"{path}: has another size than was written")
            columns[name] = Column(path, np.dtype(dtype), rest[:blocks])
            rest = rest[blocks:]
    except OSError as error:
        raise Damaged(f"{error.filename}: {error.strerror}") from None
    return columns


def _hash_of(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
