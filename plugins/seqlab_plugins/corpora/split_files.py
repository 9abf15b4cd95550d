"""The files of each split."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from seqlab import CorpusError, CorpusUnavailable, File
from seqlab_plugins.corpora.remote_files import remote_files

_MOST_NAMES = 5

Files: TypeAlias = File | list[File]
"""A file or a glob such as texts/*.txt, here or as a URL, or a list of these."""


class SplitFiles:
    """A corpus of files, or globs of files, for each split.

    Files of another split are not used for training, whatever links lead to them.

    Raises:
        CorpusUnavailable: a glob matches nothing.
        CorpusError: a glob matches no readable file, its folder cannot be read, or no file is
            left for training.
    """

    def __init__(self, train: Files, valid: Files | None, test: Files | None) -> None:
        options = {"train": train, "valid": valid, "test": test}
        files = {split: _expand_all(value) for split, value in options.items() if value is not None}
        scored = [path for split in files if split != "train" for path in files[split]]
        trained, self.held_out = split_off(files["train"], scored)
        if not trained:
            paths = ", ".join(map(str, self.held_out[:5]))
            raise CorpusError(
                f"{paths}: all files belong to other splits; nothing is left to train"
            )
        self._files = {**files, "train": trained}

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._files)

    @property
    def files(self) -> list[Path]:
        """All files, each once."""
        return list(dict.fromkeys(path for paths in self._files.values() for path in paths))

    def split_files(self) -> dict[str, list[Path]]:
        """The files of each split."""
        return self._files


def split_off(trained: Iterable[Path], scored: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Separate files that are only trained from those that are scored too, by any link or name."""
    identities = set(map(_identity, scored))
    files = [(path, bool(identities) and _identity(path) in identities) for path in trained]
    return [path for path, both in files if not both], [path for path, both in files if both]


def _identity(path: Path) -> Hashable:
    try:
        status = path.stat()
    except (OSError, ValueError):  # the file is missing; reading it raises a clear error
        return path.absolute()
    return (status.st_dev, status.st_ino) if status.st_ino else path.resolve()


def matching(folder: Path, pattern: str) -> set[Path]:
    """The paths below a folder that match a glob, without hidden ones and circular links.

    Raises:
        OSError: a folder cannot be read.
    """
    return set(_matching(folder, Path(pattern).parts, frozenset([folder.resolve()])))


def real_paths(files: Iterable[Path]) -> dict[Path, Path]:
    """The real path of each file, without links."""
    listed = list(files)
    folders = {folder: folder.resolve() for folder in {file.parent for file in listed}}
    return {
        file: file.resolve() if file.is_symlink() else folders[file.parent] / file.name
        for file in listed
    }


def what_is_there(folder: Path) -> str:
    """Say what lies in a folder instead of what was looked for: some names, and all endings."""
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if not entries:
        return f"{folder} is empty"
    names = ", ".join(path.name + "/" * path.is_dir() for path in entries[:_MOST_NAMES])
    more = ", …" if len(entries) > _MOST_NAMES else ""
    counts = Counter(path.suffix for path in entries if path.suffix and path.is_file())
    endings = ", ".join(f"{count:,} {ending}" for ending, count in counts.most_common(3))
    return f"in {folder}: {names}{more}" + (f" ({endings})" if more and endings else "")


def unreadable(path: Path, error: Exception) -> CorpusError:
    """An error about a path that the system refuses to read."""
    return CorpusError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})")


def _expand_all(files: Files) -> list[Path]:
    paths = files if isinstance(files, list) else [files]
    expanded = list(dict.fromkeys(file for path in paths for file in _expand(path)))
    if not expanded:
        raise CorpusError("a list of files is empty")
    return expanded


def _expand(path: Path | str) -> list[Path]:
    """The files of a path or a URL; those elsewhere become copies in the cache folder."""
    if isinstance(path, str):
        parts = urlsplit(path)
        if parts.scheme.lower() != "file":
            return remote_files(path)
        path = Path(unquote(parts.path))
    try:
        return _glob(path) if glob.has_magic(str(path)) and not path.exists() else [path]
    except OSError as error:
        raise unreadable(Path(error.filename or path), error) from None


def _glob(path: Path) -> list[Path]:
    base = next(folder for folder in path.parents if folder.exists())  # its brackets are no glob
    matches = sorted(matching(base, str(path.relative_to(base))), key=str)
    if not matches:
        raise CorpusUnavailable(f"{path}: matches no file; {what_is_there(base)}")
    files = [file for file in matches if file.is_file() and file.stat().st_size]
    if not files:
        raise CorpusError(f"{path}: matches only folders and empty files")
    return files


def _matching(folder: Path, parts: tuple[str, ...], inside: frozenset[Path]) -> Iterator[Path]:
    """Match a glob part by part; `inside` are the folders that `**` has passed through."""
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
    """The entries of a folder that match a pattern; a star does not match hidden ones."""
    if not folder.is_dir():
        return []
    matches = [path for path in folder.iterdir() if fnmatchcase(path.name, pattern)]
    return [p for p in matches if pattern.startswith(".") or not p.name.startswith(".")]
