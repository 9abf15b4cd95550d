"""Token ids that somebody has already made: raw numbers, or numpy's own files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tokenize import TokenError
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab import Corpus, CorpusError, CorpusUnavailable, Ids, hookimpl
from seqlab_plugins.corpora.split_files import SplitFiles, unreadable
from seqlab_plugins.corpora.text_files import Fingerprint
from seqlab_plugins.tokenizers.basic import MOST_IDS

CHUNK = 1 << 20  # ids that are looked at together

_DAMAGED = (
    *(ValueError, TypeError, EOFError, OverflowError, RecursionError, MemoryError),
    *(SyntaxError, TokenError),  # the header is a literal of Python
)

Dtype = Literal["uint8", "uint16", "uint32", "int16", "int32", "int64"]


class TokenFiles(SplitFiles):
    """Files of token ids, which stay on disk: .npy, or raw little-endian numbers.

    Use it with `tokenizer: ids`. A file is one document, or many where an id ends each.

    Args:
        path: Required: a file, a glob such as parts/*.bin, or a list of these.
        dtype: of raw numbers; an .npy file says it itself.
        end: the id that ends a document and belongs to it; null: a file is one document.
        valid: files of the split `valid`.
        test: files of the split `test`.
    """

    def __init__(
        self,
        *,
        path: Path | list[Path],
        dtype: Dtype = "uint16",
        end: Annotated[int, Field(ge=0, lt=2**32)] | None = None,
        valid: Path | list[Path] | None = None,
        test: Path | list[Path] | None = None,
    ) -> None:
        super().__init__(path, valid, test)
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._end = end

    def documents(self, split: str) -> Iterator[Ids]:
        for path in self._files[split]:
            ids = _mapped(path, self._dtype)
            start = 0
            for stop in self._stops(ids):
                yield Ids(ids[start:stop])
                start = stop

    def fingerprint(self) -> str:
        content = Fingerprint()
        for split, paths in self._files.items():
            for path in paths:
                ids = _mapped(path, self._dtype)
                _check_largest(ids, path)
                for chunk in _chunks(ids):
                    content.add_bytes(split, chunk.astype("<i8").tobytes())
                for stop in self._stops(ids):
                    content.add_bytes(split, b"|" + stop.to_bytes(8, "little"))
        return str(content)

    def _stops(self, ids: NDArray[Any]) -> Iterator[int]:
        """Positions after each document's last id."""
        stop = 0
        if self._end is not None:
            for number, chunk in enumerate(_chunks(ids)):
                for place in np.flatnonzero(chunk == self._end):
                    stop = number * CHUNK + int(place) + 1
                    yield stop
        if stop < len(ids):
            yield len(ids)


def _chunks(ids: NDArray[Any]) -> Iterator[NDArray[Any]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))


def _mapped(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Map a file into memory; nothing of it is read yet, but for a check of signed numbers.

    Raises:
        CorpusUnavailable: there is no such file.
        CorpusError: it holds something else than token ids.
    """
    try:
        ids = _npy(path) if path.suffix.lower() == ".npy" else _raw(path, dtype)
    except FileNotFoundError:
        raise CorpusUnavailable(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    if not len(ids):
        raise CorpusError(f"{path}: is empty: it holds no token id")
    if ids.dtype.kind == "i":
        _check_sign(ids, path)
    return np.asarray(ids)


def _raw(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    size = path.stat().st_size
    if path.is_dir():
        raise CorpusError(f"{path}: is a folder; write {path}/*.bin for the files in it")
    if size % dtype.itemsize:
        raise CorpusError(
            f"{path}: its {size:,} bytes are no whole number of {dtype.name} ({dtype.itemsize}"
            " bytes each): it is cut off, or `dtype` is another one"
        )
    return np.memmap(path, dtype, mode="r") if size else np.empty(0, dtype)


def _npy(path: Path) -> NDArray[Any]:
    try:
        ids: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except _DAMAGED as error:
        reason = " ".join(str(error).split())
        raise CorpusError(f"{path}: cannot be read as .npy ({reason})") from None
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        shape = " × ".join(map(str, ids.shape)) or "no dimension"
        raise CorpusError(
            f"{path}: holds {ids.dtype.name} in the shape {shape}; token ids are whole numbers in"
            " one dimension"
        )
    return ids


def _check_sign(ids: NDArray[Any], path: Path) -> None:
    for number, chunk in enumerate(_chunks(ids)):
        if chunk.min() < 0:
            place = number * CHUNK + int(np.argmax(chunk < 0))
            raise CorpusError(f"{path}: has the id {ids[place]} at position {place:,}; ids are 0 …")


def _check_largest(ids: NDArray[Any], path: Path) -> None:
    """Refuse what would ask for a vocabulary that no memory holds; reads all of a wide type."""
    if np.iinfo(ids.dtype).max < MOST_IDS:
        return
    largest = max(int(chunk.max()) for chunk in _chunks(ids))
    if largest >= MOST_IDS:
        advice = "" if path.suffix.lower() == ".npy" else f"; is `dtype` {ids.dtype.name} right?"
        message = f"its largest id is {largest:,}; they end below {MOST_IDS:,}{advice}"
        raise CorpusError(f"{path}: {message}")


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"tokens": TokenFiles}
