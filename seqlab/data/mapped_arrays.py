"""Files of numbers, read as arrays: mapped into memory, and checked block by block."""

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

BLOCK = 4096  # bytes: what the system reads at least, so that checking reads nothing more
MAPPED = 512  # reads of blocks until the pages are let go: at most 32 MiB of them


@dataclass(frozen=True)
class Column:
    """One file of a store: little-endian numbers, and the CRC-32 of each block of it."""

    path: Path
    dtype: np.dtype[Any]
    checksums: NDArray[np.uint32]


class StoredArray:
    """A 1-D array in a file: what is indexed is read, and its blocks are checked once.

    Any index of numpy works. Everything else that arrays have (`tolist`, `astype`, `np.asarray`)
    reads the whole file first.

    Args:
        column: the file.
        renew: builds a file anew that turned out to be damaged.
    """

    ndim = 1

    def __init__(self, column: Column, renew: Callable[[], Column]) -> None:
        self._renew = renew
        self._open(column)

    def __len__(self) -> int:
        return len(self._values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole: NDArray[Any] = self._checked(np.arange(len(self._seen)))[:]
        return np.asarray(whole, dtype=dtype, copy=copy)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    def __getitem__(self, key: Any) -> Any:
        values = self._checked(self._blocks(key))
        found = values[key]
        return found.copy() if isinstance(found, np.ndarray) and found.base is not None else found

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
        self._seen = np.zeros(len(column.checksums), dtype=bool)
        self._mapped = 0

    def _blocks(self, key: Any) -> NDArray[np.int64]:
        """Return the blocks that an index touches."""
        if isinstance(key, slice):
            first, stop, step = key.indices(len(self))
            if step == 1:
                bounds = np.array([first, max(first, stop - 1)]) * self.dtype.itemsize // BLOCK
                return np.arange(bounds[0], bounds[1] + 1) if stop > first else bounds[:0]
            key = np.arange(first, stop, step)
        places = np.asarray(key)
        if places.dtype == bool:
            places = np.flatnonzero(places)
        if places.size and places.min() < 0:
            places = np.where(places < 0, places + len(self), places)
        return np.ravel(places) * self.dtype.itemsize // BLOCK

    def _checked(self, blocks: NDArray[np.int64]) -> NDArray[Any]:
        """Return the values once those blocks are known to be as they were written."""
        blocks = blocks[blocks < len(self._seen)]  # an index beyond is numpy's to refuse
        for block in np.unique(blocks[~self._seen[blocks]]).tolist():
            if not self._is_whole(block):
                self._mend()
                return self._checked(blocks)
            self._seen[block] = True
        self._let_go(len(blocks))
        return self._values

    def _is_whole(self, block: int) -> bool:
        content = memoryview(self._map)[block * BLOCK : (block + 1) * BLOCK]
        return zlib.crc32(content) == int(self._column.checksums[block])

    def _mend(self) -> None:
        log.warning("%s: is damaged; it is built anew", self._column.path)
        self._open(self._renew())
        if not all(map(self._is_whole, range(len(self._seen)))):
            raise CorpusError(
                f"{self._column.path}: is damaged again right after it was written; is the disk"
                " in order? $SEQLAB_CACHE names another folder"
            )

    def _let_go(self, blocks: int) -> None:
        """Have the system take pages back, so that memory does not grow with what was read."""
        self._mapped += blocks
        if self._mapped > MAPPED and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._mapped = 0
