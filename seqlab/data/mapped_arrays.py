"""Files of numbers as arrays, mapped into memory and checked block by block."""

from __future__ import annotations

import logging
import mmap
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqlab.errors import CorpusError
from seqlab.files import open_to_read

log = logging.getLogger(__name__)

BLOCK = 4096  # bytes: a page, the least that the system reads
MAPPED = 512  # reads of blocks until pages are released: at most 32 MiB


@dataclass(frozen=True)
class Column:
    """A file of little-endian numbers, with the CRC-32 of each block."""

    path: Path
    dtype: np.dtype[Any]
    checksums: NDArray[np.uint32]


class StoredArray:
    """A 1-D array in a file, of which an index reads a part; each block is checked once.

    Any index of numpy works. Other methods of arrays (`tolist`, `astype`) and `np.asarray` read the
    whole file.

    Args:
        column: the file.
        rebuild: makes a damaged file anew.
    """

    ndim = 1

    def __init__(self, column: Column, rebuild: Callable[[], Column]) -> None:
        self._rebuild = rebuild
        self._open(column)

    def __len__(self) -> int:
        return len(self._values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole: NDArray[Any] = self._checked(np.arange(len(self._intact)))[:]
        return np.asarray(whole, dtype=dtype, copy=copy)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    def __getitem__(self, key: Any) -> Any:
        values = self._checked(self._blocks(key))
        part = values[key]
        return part.copy() if isinstance(part, np.ndarray) and part.base is not None else part

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._values.dtype

    @property
    def shape(self) -> tuple[int]:
        return (len(self),)

    def _open(self, column: Column) -> None:
        with open_to_read(column.path) as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if hasattr(mmap, "MADV_RANDOM"):
            self._map.madvise(mmap.MADV_RANDOM)
        self._column = column
        self._values = np.frombuffer(self._map, column.dtype)
        self._intact = np.zeros(len(column.checksums), dtype=bool)
        self._mapped = 0

    def _blocks(self, key: Any) -> NDArray[np.int64]:
        """Return the blocks that an index touches."""
        if isinstance(key, slice):
            first, stop, step = key.indices(len(self))
            if step == 1:
                bounds = np.array([first, max(first, stop - 1)]) * self.dtype.itemsize // BLOCK
                return np.arange(bounds[0], bounds[1] + 1) if stop > first else bounds[:0]
            key = np.arange(first, stop, step)
        indices = np.asarray(key)
        if indices.dtype == bool:
            indices = np.flatnonzero(indices)
        if indices.size and indices.min() < 0:
            indices = np.where(indices < 0, indices + len(self), indices)
        return np.ravel(indices) * self.dtype.itemsize // BLOCK

    def _checked(self, blocks: NDArray[np.int64]) -> NDArray[Any]:
        """Return the values after a check of those blocks."""
        blocks = blocks[blocks < len(self._intact)]  # numpy refuses an index out of range
        for block in np.unique(blocks[~self._intact[blocks]]).tolist():
            if not self._is_intact(block):
                self._repair()
                return self._checked(blocks)
            self._intact[block] = True
        self._release_pages(len(blocks))
        return self._values

    def _is_intact(self, block: int) -> bool:
        content = memoryview(self._map)[block * BLOCK : (block + 1) * BLOCK]
        return zlib.crc32(content) == int(self._column.checksums[block])

    def _repair(self) -> None:
        log.warning("%s: is damaged; it is built anew", self._column.path)
        self._open(self._rebuild())
        if not all(map(self._is_intact, range(len(self._intact)))):
            raise CorpusError(
                f"{self._column.path}: is damaged again right after it was written; is the disk"
                " in order? $SEQLAB_CACHE names another folder"
            )

    def _release_pages(self, blocks: int) -> None:
        """Let the system free pages, so that memory does not grow with what was read."""
        self._mapped += blocks
        if self._mapped > MAPPED and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._mapped = 0
