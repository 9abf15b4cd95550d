"""Which files a split is made of, as an experiment names them."""

from __future__ import annotations

import glob
from collections.abc import Hashable, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias

from seqlab import CorpusError, CorpusUnavailable

Files: TypeAlias = Path | list[Path]
"""A file, a glob such as texts/*.txt, or a list of these."""


class SplitFiles:
    """What a corpus has of its files: the splits that are named, and which files each is made of.

    Files that another split has are not trained, whatever links and names lead to them.

    Raises:
        CorpusUnavailable: a glob matches nothing.
        CorpusError: it matches nothing that could be read, cannot be looked for, or nothing is
            left to train on.
    """

    def __init__(self, train: Files, valid: Files | None, test: Files | None) -> None:
        named = {"train": train, "valid": valid, "test": test}
        found = {split: _expand_all(files) for split, files in named.items() if files is not None}
        scored = [path for split in found if split != "train" for path in found[split]]
        trained, self.held_out = apart(found["train"], scored)
        if not trained:
            said = ", ".join(map(str, self.held_out[:5]))
            raise CorpusError(f"{said}: other splits have all of `path`; nothing is left to train")
        self._files = {**found, "train": trained}

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._files)

    @property
    def files(self) -> list[Path]:
        """Everything that is read."""
        return list(dict.fromkeys(path for paths in self._files.values() for path in paths))

    def split_files(self) -> dict[str, list[Path]]:
        """The files of each split."""
        return self._files


def apart(trained: Iterable[Path], scored: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Part files to train on from those that are scored too, whatever links and names they have."""
    places = set(map(_place, scored))
    files = [(path, bool(places) and _place(path) in places) for path in trained]
    return [path for path, too in files if not too], [path for path, too in files if too]


def _place(path: Path) -> Hashable:
    try:
        at = path.stat()
    except (OSError, ValueError):  # there is no such file, which whoever reads it says
        return path.absolute()
    return (at.st_dev, at.st_ino) if at.st_ino else path.resolve()


def matching(folder: Path, pattern: str) -> set[Path]:
    """Find what a glob below a folder stands for: nothing hidden, and no link round in a circle.

    Raises:
        OSError: a folder on the way cannot be read.
    """
    return set(_matching(folder, Path(pattern).parts, frozenset([folder.resolve()])))


def real_paths(files: Iterable[Path]) -> dict[Path, Path]:
    """Where files really are, whatever links their paths have."""
    listed = list(files)
    folders = {folder: folder.resolve() for folder in {file.parent for file in listed}}
    return {
        file: file.resolve() if file.is_symlink() else folders[file.parent] / file.name
        for file in listed
    }


def unreadable(path: Path, error: Exception) -> CorpusError:
    """What to raise about something that the system refuses to open."""
    return CorpusError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})")


def _expand_all(files: Files) -> list[Path]:
    paths = files if isinstance(files, list) else [files]
    found = list(dict.fromkeys(file for one in paths for file in _expand(one)))
    if not found:
        raise CorpusError("a list of files is empty")
    return found


def _expand(path: Path) -> list[Path]:
    try:
        return _globbed(path) if glob.has_magic(str(path)) and not path.exists() else [path]
    except OSError as error:
        raise unreadable(Path(error.filename or path), error) from None


def _globbed(path: Path) -> list[Path]:
    base = next(folder for folder in path.parents if folder.exists())  # its brackets are its name
    found = sorted(matching(base, str(path.relative_to(base))), key=str)
    if not found:
        raise CorpusUnavailable(f"{path}: matches no file")
    files = [file for file in found if file.is_file() and file.stat().st_size]
    if not files:
        raise CorpusError(f"{path}: matches only folders and empty files")
    return files


def _matching(folder: Path, parts: tuple[str, ...], inside: frozenset[Path]) -> Iterator[Path]:
    """Follow a glob part by part; `inside` are the folders that `**` has come through."""
    if not parts:
        yield folder
    elif parts[0] == "**":
        yield from _matching(folder, parts[1:] or ("*",), inside)
        for inner in _entries(folder, "*"):
            if inner.is_dir() and (real := inner.resolve()) not in inside:
                yield from _matching(inner, parts, inside | {real})
    elif glob.has_magic(parts[0]):
        for inner in _entries(folder, parts[0]):
            yield from _matching(inner, parts[1:], inside)
    elif (folder / parts[0]).exists():
        yield from _matching(folder / parts[0], parts[1:], inside)


def _entries(folder: Path, pattern: str) -> list[Path]:
    """What lies in a folder and fits; a star stands for nothing hidden."""
    if not folder.is_dir():
        return []
    fitting = [path for path in folder.iterdir() if fnmatchcase(path.name, pattern)]
    return [p for p in fitting if pattern.startswith(".") or not p.name.startswith(".")]
