"""Files of token ids, raw numbers or .npy, and files of any kind as their bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tokenize import TokenError
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from seqlab import Corpus, CorpusError, CorpusUnavailable, Ids, hookimpl
from seqlab_plugins.corpora.split_files import Files, SplitFiles, unreadable
from seqlab_plugins.corpora.text_files import Fingerprint
from seqlab_plugins.tokenizers.basic import MAX_IDS

CHUNK = 1 << 20  # ids that are read at a time

_DAMAGED = (
    *(ValueError, TypeError, EOFError, OverflowError, RecursionError, MemoryError),
    *(SyntaxError, TokenError),  # the header is a Python literal
)

Dtype = Literal["uint8", "uint16", "uint32", "int16", "int32", "int64"]


class TokenFiles(SplitFiles):
    """Files of token ids, which stay on disk: .npy, or raw little-endian numbers.

    Use it with `tokenizer: ids`. A file is one document, or many where an id ends each.

    Args:
        path: Required: a file, a glob such as parts/*.bin, or a list of these.
        dtype: of raw numbers; an .npy file has its own.
        end: the last id of each document; null: a file is one document.
        valid: files of the split `valid`.
        test: files of the split `test`.
    """

    def __init__(
        self,
        *,
        path: Files,
        dtype: Dtype = "uint16",
        end: Annotated[int, Field(ge=0, lt=2**32)] | None = None,
        valid: Files | None = None,
        test: Files | None = None,
    ) -> None:
        super().__init__(path, valid, test)
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._end = end

    def documents(self, split: str) -> Iterator[Ids]:
        for path in self._files[split]:
            ids = self._ids(path)
            start = 0
            for stop in self._stops(ids):
                yield Ids(ids[start:stop])
                start = stop

    def fingerprint(self) -> str:
        content = Fingerprint()
        for split, paths in self._files.items():
            for path in paths:
                ids = self._ids(path)
                _check_largest(ids, path)
                for chunk in _chunks(ids):
                    content.add_bytes(split, chunk.astype("<i8").tobytes())
                for stop in self._stops(ids):
                    content.add_bytes(split, b"|" + stop.to_bytes(8, "little"))
        return str(content)

    def _ids(self, path: Path) -> NDArray[Any]:
        return _open(path, lambda: _npy(path) if _is_npy(path) else _raw(path, self._dtype))

    def _stops(self, ids: NDArray[Any]) -> Iterator[int]:
        """The position after the last id of each document."""
        stop = 0
        if self._end is not None:
            for number, chunk in enumerate(_chunks(ids)):
                for index in np.flatnonzero(chunk == self._end):
                    stop = number * CHUNK + int(index) + 1
                    yield stop
        if stop < len(ids):
            yield len(ids)


class Binary(TokenFiles):
    """Files of any kind, as they are: each is a document, its bytes are the token ids.

    Use it with `tokenizer: bytes`; `seqlab generate --out FILE` writes such a file.

    Args:
        path: Required: a file, a glob such as sounds/*.wav, or a list of these.
        valid: files of the split `valid`.
        test: files of the split `test`.
    """

    def __init__(
        self,
        *,
        path: Files,
        valid: Files | None = None,
        test: Files | None = None,
    ) -> None:
        super().__init__(path=path, dtype="uint8", valid=valid, test=test)

    def _ids(self, path: Path) -> NDArray[Any]:
        return _open(path, lambda: _raw(path, self._dtype))


def _chunks(ids: NDArray[Any]) -> Iterator[NDArray[Any]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))


def _open(path: Path, map_file: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """Map a file into memory; only signed numbers are read, to check them.

    Raises:
        CorpusUnavailable: there is no such file.
        CorpusError: its content is not token ids.
    """
    try:
        ids = map_file()
    except FileNotFoundError:
        raise CorpusUnavailable(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    if not len(ids):
        raise CorpusError(f"{path}: is empty")
    if ids.dtype.kind == "i":
        _check_sign(ids, path)
    return np.asarray(ids)


def _is_npy(path: Path) -> bool:
    return path.suffix.lower() == ".npy"


def _raw(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    size = path.stat().st_size
    if path.is_dir():
        raise CorpusError(f"{path}: is a folder; write {path}/*.bin for the files in it")
    if size % dtype.itemsize:
        raise CorpusError(
            f"{path}: its {size:,} bytes are not a multiple of {dtype.itemsize}, the size of"
            f" {dtype.name}: it is cut off, or `dtype` is wrong"
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
            f"{path}: has {ids.dtype.name} of shape {shape}; token ids are integers in one"
            " dimension"
        )
    return ids


def _check_sign(ids: NDArray[Any], path: Path) -> None:
    for number, chunk in enumerate(_chunks(ids)):
        if chunk.min() < 0:
            index = number * CHUNK + int(np.argmax(chunk < 0))
            raise CorpusError(
                f"{path}: has the id {ids[index]} at position {index:,}; ids are not negative"
            )


def _check_largest(ids: NDArray[Any], path: Path) -> None:
    """Refuse ids that are too large for any vocabulary; wide types are read for it."""
    if np.iinfo(ids.dtype).max < MAX_IDS:
        return
    largest = max(int(chunk.max()) for chunk in _chunks(ids))
    if largest >= MAX_IDS:
        advice = "" if _is_npy(path) else f"; is `dtype` {ids.dtype.name} right?"
        raise CorpusError(
            f"{path}: its largest id is {largest:,}; ids are below {MAX_IDS:,}{advice}"
        )


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"tokens": TokenFiles, "binary": Binary}
