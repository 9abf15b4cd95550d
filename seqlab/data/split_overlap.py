"""Whether what is scored is trained too: the same file in two splits, or the same bytes."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

from seqlab.contracts import Corpus
from seqlab.errors import CorpusError

log = logging.getLogger(__name__)

TRAIN = "train"
HEAD = 1 << 16  # bytes; files that begin in different ways are not read on
SHOWN = 5  # files that a message names

InSplit: TypeAlias = tuple[str, Path]


def check_apart(name: str, corpus: Corpus) -> None:
    """See to it that nothing is trained that is scored, as far as a corpus names its files.

    Splits to score that share a file, and files of two splits with the same content, are said.

    Raises:
        CorpusError: a file of another split is trained.
    """
    held_out = list(getattr(corpus, "held_out", ()))
    if held_out:
        said = "corpus '%s': not trained, since another split has it: %s"
        log.warning(said, name, _all(held_out))
    if not hasattr(corpus, "split_files"):
        return
    files = {split: list(paths) for split, paths in corpus.split_files().items()}
    places = {split: {place_of(path): path for path in paths} for split, paths in files.items()}
    for one, other in combinations(files, 2):
        _check_files(name, one, other, [places[one][p] for p in places[one] if p in places[other]])
    same = list(_same_content(places))
    if same:
        log.warning(
            "corpus '%s': files of different splits have the same content: %s", name, _all(same)
        )


def place_of(path: Path) -> Hashable:
    """What a file is, whatever links and names lead to it."""
    with suppress(OSError, ValueError):
        at = path.stat()
        if at.st_ino:
            return at.st_dev, at.st_ino
    return path.absolute()  # it is not there, or its system numbers no files


def _check_files(name: str, one: str, other: str, shared: list[Path]) -> None:
    if not shared:
        return
    said = f"corpus '{name}': splits '{one}' and '{other}' have the same files: {_all(shared)}"
    if TRAIN in (one, other):
        raise CorpusError(said)
    log.warning(said)


def _same_content(places: Mapping[str, Mapping[Hashable, Path]]) -> Iterator[str]:
    """Pairs of files in different splits; only files of one size and one beginning are read."""
    files = {place: (split, path) for split, own in places.items() for place, path in own.items()}
    for alike in _groups(files.values(), _size):
        for begun_alike in _groups(alike, lambda path: _digest(path, HEAD)):
            for same in _groups(begun_alike, lambda path: _digest(path, None)):
                yield " = ".join(str(path) for _, path in same)


def _groups(files: Iterable[InSplit], key: Callable[[Path], Hashable]) -> Iterator[list[InSplit]]:
    """Files that share a key, where they are of two splits at least; no key: like no other."""
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


def _all(things: list[Path] | list[str]) -> str:
    more = f" and {len(things) - SHOWN} more" if len(things) > SHOWN else ""
    return ", ".join(map(str, things[:SHOWN])) + more
