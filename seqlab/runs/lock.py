"""One process at a time in a run folder. The system frees the lock of a process that is gone."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from seqlab.errors import RunFailed, UsageError
from seqlab.files import open_anew, read, size_of

LOCK = "run.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder.

    Raises:
        UsageError: another process holds it; its pid and host are named.
        RunFailed: the folder cannot be written.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    holder = folder / "run.lock.json"
    try:
        _expect_file(folder / LOCK)
        lock.acquire()
    except Timeout:
        raise UsageError(f"{folder}: is in use by {_holder(holder)}") from None
    except OSError as error:
        raise RunFailed(f"{folder}: cannot be locked ({error.strerror})") from None
    # Who holds the lock is for messages; a disk that is full must not keep a run from ending.
    with suppress(OSError), open_anew(holder) as file:
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
    try:
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def in_use(folder: Path) -> bool:
    """Whether a process holds the lock of a run folder now."""
    try:
        size_of(folder / LOCK)  # looking at a run makes nothing in its folder
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def _expect_file(lock: Path) -> None:
    """A lock that is a link would be made, or emptied, elsewhere."""
    with suppress(FileNotFoundError):
        size_of(lock)


def _holder(file: Path) -> str:
    try:
        known = json.loads(read(file, 4096))
        return f"process {known['pid']} on {known['host']}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
