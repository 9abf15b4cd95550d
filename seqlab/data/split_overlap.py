"""Overlap of splits: the same file in two of them, or files with the same bytes."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

from seqlab.contracts import Corpus, offered
from seqlab.errors import CorpusError

log = logging.getLogger(__name__)

TRAIN = "train"
HEAD = 1 << 16  # bytes; files that differ in these are not read further
SHOWN = 5  # files that a message lists

InSplit: TypeAlias = tuple[str, Path]


def check_overlap(name: str, corpus: Corpus) -> None:
    """Raise CorpusError if a corpus trains on a file of another split, as far as it names files.

    Other splits that share files, and files of two splits with the same content, are logged.
    """
    if held_out := list(offered(corpus, "held_out") or ()):
        message = "corpus '%s': another split has these files, so `train` leaves them out: %s"
        log.warning(message, name, _listed(held_out))
    split_files = offered(corpus, "split_files")
    if split_files is None:
        return
    files = {
        split: {_identity(path): path for path in paths} for split, paths in split_files().items()
    }
    for first, second in combinations(files, 2):
        if shared := [path for key, path in files[first].items() if key in files[second]]:
            splits = f"splits '{first}' and '{second}'"
            message = f"corpus '{name}': {splits} have the same files: {_listed(shared)}"
            if TRAIN in (first, second):
                raise CorpusError(message)
            log.warning(message)
    if same := list(_same_content(files)):
        message = "corpus '%s': files of different splits have the same content: %s"
        log.warning(message, name, _listed(same))


def _identity(path: Path) -> Hashable:
    """Device and inode: the same for every link to a file."""
    with suppress(OSError, ValueError):
        stat = path.stat()
        if stat.st_ino:
            return stat.st_dev, stat.st_ino
    return path.absolute()  # it is missing, or its file system has no inodes


def _same_content(files: Mapping[str, Mapping[Hashable, Path]]) -> Iterator[str]:
    """Equal files of different splits; only files of equal size and head are read whole."""
    unique = {key: (split, path) for split, own in files.items() for key, path in own.items()}
    for same_size in _groups(unique.values(), _size):
        for same_head in _groups(same_size, lambda path: _digest(path, HEAD)):
            for same in _groups(same_head, lambda path: _digest(path, None)):
                yield " = ".join(str(path) for _, path in same)


def _groups(files: Iterable[InSplit], key: Callable[[Path], Hashable]) -> Iterator[list[InSplit]]:
    """Groups of files with the same key, from at least two splits; a file without key is alone."""
    groups: dict[Hashable, list[InSplit]] = {}
    for split, path in files:
        with suppress(OSError, ValueError):
            groups.setdefault(key(path), []).append((split, path))
    return (group for group in groups.values() if len({split for split, _ in group}) > 1)


def _size(path: Path) -> int:
    size = path.stat().st_size
    if not size:
        raise ValueError(f"{path}: has no content to compare")
    return size


def _digest(path: Path, limit: int | None) -> bytes:
    with path.open("rb") as file:
        if limit is not None:
            return hashlib.blake2b(file.read(limit)).digest()
        return hashlib.file_digest(file, "blake2b").digest()


def _listed(names: list[Path] | list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(str, names[:SHOWN])) + more
