"""The lock of a run folder. The system releases it when the process ends."""

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
        with suppress(FileNotFoundError):
            size_of(folder / LOCK)  # refuses a link, which would be followed
        lock.acquire()
    except Timeout:
        raise UsageError(f"{folder}: is in use by {_holder(holder)}") from None
    except OSError as error:
        raise RunFailed(f"{folder}: cannot be locked ({error.strerror})") from None
    # The holder is only for messages, so a full disk is ignored.
    with suppress(OSError), open_anew(holder) as file:
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
    try:
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def in_use(folder: Path) -> bool:
    """Whether a process holds the lock of a run folder."""
    try:
        size_of(folder / LOCK)  # raises if there is no lock, as FileLock would make one
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def _holder(file: Path) -> str:
    try:
        holder = json.loads(read(file, 4096))
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
