"""Safe access to files in a run folder or a cache, which a stranger may have made.

No link is followed, only regular files are opened, and no file is read that is larger than its
limit: else every function raises OSError. Where a system lacks `O_NOFOLLOW` or `O_NONBLOCK`, only
the check before opening remains.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_SAFE_FLAGS = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # or opening a pipe waits for its other end
    | getattr(os, "O_BINARY", 0)
)
_IS_LINK = "is a link, and links are not followed here"
_KINDS = (
    (stat.S_ISLNK, _IS_LINK),
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISFIFO, "is a pipe, not a file"),
)


def open_to_read(path: Path, limit: int | None = None) -> IO[bytes]:
    """Open a regular file, of at most `limit` bytes (None: any size)."""
    return os.fdopen(_open(path, os.O_RDONLY, limit), "rb")


def read(path: Path, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes whole."""
    with open_to_read(path, limit) as file:
        return file.read(min(os.fstat(file.fileno()).st_size, limit))  # allocates no more than that


def read_lines(path: Path, longest: int) -> Iterator[bytes]:
    r"""Yield the lines of a file, which end with `\n` only."""
    with open_to_read(path) as file:
        while line := file.readline(longest + 1):
            if len(line) > longest:
                raise _long_line(path, longest)
            yield line


def last_line(path: Path, longest: int) -> bytes:
    """Return the last complete line, of at most `longest` bytes; empty if there is none."""
    with open_to_read(path) as file:
        end = file.seek(0, os.SEEK_END)
        size = 1 << 12
        while True:
            start = max(end - size, 0)
            file.seek(start)
            complete, _, _ = file.read(end - start).rpartition(b"\n")
            _, newline, line = complete.rpartition(b"\n")
            if newline or not start:
                return line
            if size > longest:
                raise _long_line(path, longest)
            size *= 16


def open_to_append(path: Path) -> IO[bytes]:
    """Open a file without a hard link elsewhere, or a new one, to write at its end."""
    return os.fdopen(_open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")


def open_anew(path: Path) -> IO[bytes]:
    """Open a file without a hard link elsewhere, or a new one, and empty it."""
    file = os.fdopen(_open(path, os.O_WRONLY | os.O_CREAT), "wb")
    file.truncate()
    return file


def create(path: Path) -> IO[bytes]:
    """Make a new file."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFE_FLAGS
    return os.fdopen(os.open(path, flags, 0o666), "w+b")


def sync_file(file: IO[bytes]) -> None:
    """Wait until the content of an open file is on disk."""
    file.flush()
    os.fsync(file.fileno())


def cut(path: Path, size: int) -> None:
    """Truncate a file to `size` bytes, on disk too."""
    with open_to_append(path) as file:
        file.truncate(size)
        sync_file(file)


def size_of(path: Path) -> int:
    """Return the size of a regular file in bytes."""
    status = path.lstat()
    _expect_regular(path, status, writes=False)
    return status.st_size


def expect_writable(path: Path) -> None:
    """Check that a file is regular and has no hard link elsewhere."""
    _expect_regular(path, path.lstat(), writes=True)


def expect_folder(path: Path) -> None:
    """Check that a folder is one, and no link to one."""
    mode = path.lstat().st_mode
    if not stat.S_ISDIR(mode):
        problem = _IS_LINK if stat.S_ISLNK(mode) else "is not a folder"
        raise NotADirectoryError(errno.ENOTDIR, problem, str(path))


def entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, sorted by name; an empty list if there is no folder."""
    try:
        expect_folder(folder)
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _open(path: Path, flags: int, limit: int | None = None) -> int:
    writes = bool(flags & os.O_WRONLY)
    try:
        _expect_regular(path, path.lstat(), writes=writes)  # opening a device may have effects
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    descriptor = os.open(path, flags | _SAFE_FLAGS, 0o666)
    try:
        status = os.fstat(descriptor)
        _expect_regular(path, status, writes=writes)
        if limit is not None and status.st_size > limit:
            raise OSError(errno.EFBIG, f"is larger than {limit:,} bytes", str(path))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _expect_regular(path: Path, status: os.stat_result, *, writes: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        kinds = (text for is_kind, text in _KINDS if is_kind(status.st_mode))
        raise OSError(errno.EINVAL, next(kinds, "is a device, not a file"), str(path))
    if writes and status.st_nlink > 1:
        problem = "has another name elsewhere (a hard link) that would change too; copy the folder"
        raise OSError(errno.EMLINK, problem, str(path))


def _long_line(path: Path, longest: int) -> OSError:
    return OSError(errno.EFBIG, f"has a line of more than {longest:,} bytes", str(path))
