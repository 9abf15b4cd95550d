"""The one way to files in a run folder or a cache, either of which a stranger may have made.

No link is followed, nothing but a regular file is opened, and none is read that is larger than it
may be. Where a system lacks `O_NOFOLLOW` or `O_NONBLOCK`, the look before the opening remains.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_CAREFULLY = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # or opening a pipe waits for somebody at its other end
    | getattr(os, "O_BINARY", 0)
)
_KINDS = (
    (stat.S_ISLNK, "is a link, and links are not followed here"),
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISFIFO, "is a pipe, not a file"),
)


def open_to_read(path: Path, limit: int | None = None) -> IO[bytes]:
    """Open a regular file.

    Args:
        path: whose last part is no link.
        limit: how many bytes it may have at most; None: any number.

    Raises:
        OSError: there is none, or it is something else, or larger.
    """
    return os.fdopen(_opened(path, os.O_RDONLY, limit), "rb")


def read(path: Path, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes whole.

    Raises:
        OSError: it cannot be read, or is something else, or larger.
    """
    with open_to_read(path, limit) as file:
        return file.read(min(os.fstat(file.fileno()).st_size, limit))  # room for no more than that


def read_lines(path: Path, longest: int) -> Iterator[bytes]:
    r"""Yield the lines of a file, which end with `\n` alone.

    Raises:
        OSError: it cannot be read, is something else, or has a line of more than `longest` bytes.
    """
    with open_to_read(path) as file:
        while line := file.readline(longest + 1):
            if len(line) > longest:
                raise OSError(errno.EFBIG, f"has a line of more than {longest:,} bytes", str(path))
            yield line


def last_line(path: Path, longest: int) -> bytes:
    """Return the last line that has come to its end, of at most `longest` bytes; or nothing.

    Raises:
        OSError: it cannot be read, is something else, or the line is longer.
    """
    with open_to_read(path) as file:
        end = file.seek(0, os.SEEK_END)
        size = 1 << 12
        while True:
            start = max(end - size, 0)
            file.seek(start)
            before, _, _ = file.read(end - start).rpartition(b"\n")
            _, found, line = before.rpartition(b"\n")
            if found or not start:
                return line
            if size > longest:
                raise OSError(errno.EFBIG, f"has a line of more than {longest:,} bytes", str(path))
            size *= 16


def open_to_append(path: Path) -> IO[bytes]:
    """Open a regular file, or a new one, to write at its end.

    Raises:
        OSError: it cannot be written, is something else, or has a second name elsewhere.
    """
    return os.fdopen(_opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")


def open_anew(path: Path) -> IO[bytes]:
    """Open a regular file to write it from its start; what was in it is gone.

    Raises:
        OSError: it cannot be written, is something else, or has a second name elsewhere.
    """
    file = os.fdopen(_opened(path, os.O_WRONLY | os.O_CREAT), "wb")
    file.truncate()
    return file


def create(path: Path) -> IO[bytes]:
    """Make a file that was not there.

    Raises:
        OSError: it cannot be made, or something has that name.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _CAREFULLY
    return os.fdopen(os.open(path, flags, 0o666), "w+b")


def cut(path: Path, size: int) -> None:
    """Drop what a file has behind its first `size` bytes, on the disk too.

    Raises:
        OSError: as `open_to_append`.
    """
    with open_to_append(path) as file:
        file.truncate(size)
        os.fsync(file.fileno())


def size_of(path: Path) -> int:
    """Return the bytes of a regular file.

    Raises:
        OSError: there is none, or it is something else.
    """
    return _looked_at(path).st_size


def expect_writable(path: Path) -> None:
    """See to it that a file is a regular one that has no second name elsewhere.

    Raises:
        OSError: it is not there, or is something else.
    """
    _looked_at(path, writes=True)


def expect_folder(path: Path) -> None:
    """See to it that a folder is one, and no link to one.

    Raises:
        OSError: it is not there, or is something else.
    """
    mode = path.lstat().st_mode
    if not stat.S_ISDIR(mode):
        said = _KINDS[0][1] if stat.S_ISLNK(mode) else "is no folder"
        raise NotADirectoryError(errno.ENOTDIR, said, str(path))


def entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, by name; nothing, if there is no folder.

    Raises:
        OSError: it is no folder, or cannot be read.
    """
    try:
        expect_folder(folder)
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _opened(path: Path, flags: int, limit: int | None = None) -> int:
    writes = bool(flags & os.O_WRONLY)
    try:
        _looked_at(path, writes=writes)  # opening a device may do something already
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    descriptor = os.open(path, flags | _CAREFULLY, 0o666)
    try:
        found = os.fstat(descriptor)
        _expect_regular(path, found, writes=writes)
        if limit is not None and found.st_size > limit:
            raise _too_large(path, limit)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _looked_at(path: Path, *, writes: bool = False) -> os.stat_result:
    found = path.lstat()
    _expect_regular(path, found, writes=writes)
    return found


def _expect_regular(path: Path, found: os.stat_result, *, writes: bool) -> None:
    if not stat.S_ISREG(found.st_mode):
        said = next((said for test, said in _KINDS if test(found.st_mode)), "is a device, no file")
        raise OSError(errno.EINVAL, said, str(path))
    if writes and found.st_nlink > 1:
        said = "has another name elsewhere (a hard link) that would change too; copy the folder"
        raise OSError(errno.EMLINK, said, str(path))


def _too_large(path: Path, limit: int) -> OSError:
    return OSError(errno.EFBIG, f"is larger than {limit:,} bytes", str(path))
