"""What is not committed in a repository: its files, held against the last commit.

It is read from the objects and the index; of the settings of the repository only one is looked at,
whether modes count. None of its hooks and filters runs.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from seqlab.files import read
from seqlab.runs.git_commit import Repository

if TYPE_CHECKING:
    from dulwich.index import ConflictedIndexEntry, Index, IndexEntry
    from dulwich.object_store import DiskObjectStore
    from dulwich.objects import ObjectID

    Entry: TypeAlias = tuple[int, ObjectID]  # mode and name of an object

MAX_INDEX = 16 << 20  # bytes, of some 150,000 files
MAX_FILE = 4 << 20  # bytes of a file that is compared
MAX_SECONDS = 5.0  # for all of it
_LINK, _FILE, _EXECUTABLE, _SUBMODULE = 0o120000, 0o100644, 0o100755, 0o160000
_NO_MODES = re.compile(rb"^\s*filemode\s*=\s*false\s*$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Side:
    """A file at one side of a change; `content` is None if it is larger than `MAX_FILE`."""

    mode: int
    content: bytes | None


@dataclass(frozen=True)
class Change:
    """A tracked file in the commit and in the working tree; None: it is not there."""

    path: bytes
    old: Side | None
    new: Side | None


class TookTooLong(Exception):
    """There was not the time to look at all files."""


class WorkingTree:
    """The files of a repository beside its last commit.

    Raises:
        OSError: the index cannot be read or is too large.
        Exception: a repository that is damaged, by whatever its reader raises.
    """

    def __init__(self, repository: Repository, seconds: float) -> None:
        from dulwich.index import Index
        from dulwich.object_store import DiskObjectStore

        self._top = repository.top
        self._end = time.monotonic() + seconds
        path = repository.git / "index"
        if path.stat().st_size > MAX_INDEX:
            raise OSError(f"its index has more than {MAX_INDEX >> 20} MiB")
        self._written = path.stat().st_mtime_ns
        self._index: Index = Index(path)
        self._store: DiskObjectStore = DiskObjectStore(
            repository.common / "objects", loose_object_size_limit=4 * MAX_FILE
        )
        self._commit = repository.commit.encode()
        self._modes_count = not _NO_MODES.search(read(repository.common / "config", 1 << 20))

    @property
    def tracked(self) -> set[bytes]:
        """The paths that the index has."""
        return set(self._index)

    def close(self) -> None:
        """Close the files of the repository."""
        self._store.close()

    def check_time(self) -> None:
        """Raise TookTooLong if the time is over."""
        if time.monotonic() > self._end:
            raise TookTooLong

    def changes(self) -> Iterator[Change]:
        """Yield what differs from the commit, by path."""
        committed = self._committed()
        for path in sorted(committed.keys() | set(self._index)):
            self.check_time()
            old = committed.get(path)
            if old and old[0] == _SUBMODULE:
                continue
            change = self._change(path, old)
            if change is not None:
                yield change

    def _committed(self) -> dict[bytes, Entry]:
        """Mode and object of each file of the commit."""
        from dulwich.objects import Commit, ObjectID

        commit = self._store[ObjectID(self._commit)]
        if not isinstance(commit, Commit):
            raise TypeError("its HEAD is no commit")
        committed: dict[bytes, Entry] = {}
        for entry in self._store.iter_tree_contents(commit.tree):
            self.check_time()
            committed[entry.path] = entry.mode, entry.sha
        return committed

    def _change(self, path: bytes, old: Entry | None) -> Change | None:
        if path not in self._index:  # removed from it
            return Change(path, self._old(old), None)
        entry = self._index[path]
        if getattr(entry, "skip_worktree", False):  # left out of a sparse checkout
            return None
        file = self._top / os.fsdecode(path)
        try:
            status = file.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return Change(path, self._old(old), None) if old else None
        if self._is_as_it_was(entry, status, old):
            return None
        new = _side(file, status)
        if new is None or _same(old, new, self._modes_count):
            return None
        return Change(path, self._old(old), new)

    def _is_as_it_was(
        self, entry: IndexEntry | ConflictedIndexEntry, status: os.stat_result, old: Entry | None
    ) -> bool:
        """Whether a file has not been touched since git saw that it is the committed one.

        One that was written at the same time as the index may have changed right after.
        """
        from dulwich.index import IndexEntry

        if not isinstance(entry, IndexEntry) or (entry.mode, entry.sha) != old:
            return False
        times = _nanoseconds(entry.mtime), _nanoseconds(entry.ctime)
        if times != (status.st_mtime_ns, status.st_ctime_ns):
            return False
        return entry.size == status.st_size & 0xFFFFFFFF and status.st_mtime_ns < self._written

    def _old(self, entry: Entry | None) -> Side | None:
        if entry is None:
            return None
        mode, name = entry
        _, content = self._store.get_raw(name)
        return Side(mode, content if len(content) <= MAX_FILE else None)


def _side(file: Path, status: os.stat_result) -> Side | None:
    """A file of the working tree; None: it is a folder, a pipe or a device."""
    if stat.S_ISLNK(status.st_mode):
        return Side(_LINK, os.fsencode(file.readlink()))
    if not stat.S_ISREG(status.st_mode):
        return None
    mode = _EXECUTABLE if status.st_mode & stat.S_IXUSR else _FILE
    return Side(mode, read(file, MAX_FILE) if status.st_size <= MAX_FILE else None)


def _same(old: Entry | None, new: Side, modes_count: bool) -> bool:
    """Whether a file is that of the commit, perhaps with the line ends of another system."""
    if old is None:
        return False
    mode, name = old
    if (modes_count and mode != new.mode) or stat.S_IFMT(mode) != stat.S_IFMT(new.mode):
        return False
    if new.content is None:
        return False
    return name in {_blob(new.content), _blob(new.content.replace(b"\r\n", b"\n"))}


def _blob(content: bytes) -> bytes:
    """The name that git gives to a content."""
    data = b"blob %d\0%s" % (len(content), content)
    return hashlib.sha1(data, usedforsecurity=False).hexdigest().encode()


def _nanoseconds(moment: int | float | tuple[int, int]) -> int:
    if isinstance(moment, tuple):
        return moment[0] * 1_000_000_000 + moment[1]
    return int(moment * 1_000_000_000)
