"""Token ids on disk: written in one pass, whole or absent, opened without reading them.

A store is a folder with `ids.bin`, `documents.bin`, perhaps `weights.bin`, the CRC-32 of every
block of them in `checksums.bin`, and `manifest.json`, with a SHA-256 of the checksums and of
itself. Numbers are little-endian; ids have the smallest unsigned type that holds the vocabulary.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from array import array
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.atomic import atomic_folder, write_synced
from seqlab.data.mapped_arrays import BLOCK, Column, StoredArray
from seqlab.data.tokens import Part, Tokens
from seqlab.errors import CorpusError
from seqlab.files import create, expect_folder, read, size_of, sync_file

FORMAT = 1
MANIFEST, CHECKSUMS = "manifest.json", "checksums.bin"
FILES = ("ids.bin", "documents.bin", "weights.bin", CHECKSUMS, MANIFEST)
MAX_MANIFEST, MAX_CHECKSUMS = 1 << 20, 4 << 30  # bytes
BUFFER = 1 << 20  # tokens that are written at once


class Damaged(Exception):
    """A store is missing or damaged."""


def write_store(
    folder: Path, parts: Iterable[Part], vocabulary: int, about: Mapping[str, Any]
) -> None:
    """Write a store in one pass and in constant memory.

    Args:
        folder: appears when everything is on disk.
        parts: tokens in their order.
        vocabulary: how many ids there are.
        about: a description, for people.

    Raises:
        CorpusError: there is no token.
        OSError: it cannot be written.
    """
    small = np.min_scalar_type(max(vocabulary - 1, 0))
    with atomic_folder(folder) as temporary:
        writer = _StoreWriter(temporary, small.newbyteorder("<"))
        try:
            for part in parts:
                writer.add(part)
            if not writer.ids.count:
                raise CorpusError("is empty: it has no token")
            writer.finish(about)
        finally:
            writer.close()


def open_store(folder: Path, rebuild: Callable[[], None]) -> Tokens:
    """Open a store; `rebuild` makes it anew if a damaged block is read later.

    Raises:
        Damaged: it is missing or cannot be opened.
    """

    def rebuilt(name: str) -> Column:
        rebuild()
        return _columns(folder)[name]

    arrays: dict[str, Any] = {
        name: StoredArray(column, partial(rebuilt, name))
        for name, column in _columns(folder).items()
    }
    return Tokens(arrays["ids"], arrays["documents"], arrays.get("weights"))


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


class _StoreWriter:
    """Writes the files of a store."""

    def __init__(self, folder: Path, dtype: np.dtype[Any]) -> None:
        self._folder = folder
        self.ids = _ColumnWriter(folder / "ids.bin", dtype)
        self.documents = _ColumnWriter(folder / "documents.bin", np.dtype("<i8"))
        self.weights: _ColumnWriter | None = None

    def add(self, part: Part) -> None:
        if part.begins:
            self.documents.add(np.array([self.ids.count]))
        if part.weights is not None and self.weights is None and (part.weights != 1).any():
            self.weights = _ColumnWriter(self._folder / "weights.bin", np.dtype("<f4"))
            self.weights.add_ones(self.ids.count)
        if self.weights is not None and part.weights is None:
            self.weights.add_ones(len(part.ids))
        elif self.weights is not None and part.weights is not None:
            self.weights.add(part.weights)
        self.ids.add(part.ids)

    def finish(self, about: Mapping[str, Any]) -> None:
        columns = {"ids": self.ids, "documents": self.documents}
        if self.weights is not None:
            columns["weights"] = self.weights
        for column in columns.values():
            column.finish()
        sums = b"".join(column.sums.tobytes() for column in columns.values())
        manifest = {
            "format": FORMAT,
            "about": dict(about),
            "tokens": self.ids.count,
            "documents": self.documents.count,
            "columns": {name: [c.dtype.str, c.size] for name, c in columns.items()},
            "checksums": hashlib.sha256(sums).hexdigest(),
        }
        write_synced(self._folder / CHECKSUMS, sums)
        text = json.dumps(manifest | {"sha256": _hash_of(manifest)}, ensure_ascii=False, indent=1)
        write_synced(self._folder / MANIFEST, text.encode())

    def close(self) -> None:
        for column in (self.ids, self.documents, self.weights):
            if column is not None:
                column.close()


class _ColumnWriter:
    """Writes one column, buffered, in whole blocks."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.count = 0  # numbers
        self.size = 0  # bytes in the file
        self.sums = array("I")
        self._file = create(path)
        self._buffer = bytearray()

    def add(self, values: NDArray[Any]) -> None:
        self._buffer += np.asarray(values).astype(self.dtype).tobytes()
        self.count += len(values)
        if len(self._buffer) >= BUFFER * self.dtype.itemsize:
            self._write(len(self._buffer) // BLOCK * BLOCK)

    def add_ones(self, count: int) -> None:
        for done in range(0, count, BUFFER):
            self.add(np.ones(min(BUFFER, count - done)))

    def _write(self, end: int) -> None:
        data = memoryview(self._buffer[:end])
        self.sums.extend(zlib.crc32(data[at : at + BLOCK]) for at in range(0, end, BLOCK))
        self._file.write(data)
        self.size += end
        del self._buffer[:end]

    def finish(self) -> None:
        self._write(len(self._buffer))
        sync_file(self._file)

    def close(self) -> None:
        self._file.close()
