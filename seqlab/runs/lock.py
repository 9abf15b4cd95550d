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


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder.

    Raises:
        UsageError: another process holds it; its pid and host are named.
        RunFailed: the folder cannot be written.
    """
    lock = FileLock(folder / "run.lock", timeout=0)
    holder = folder / "run.lock.json"
    try:
        lock.acquire()
    except Timeout:
        raise UsageError(f"{folder}: is in use by {_holder(holder)}") from None
    except OSError as error:
        raise RunFailed(f"{folder}: cannot be locked ({error.strerror})") from None
    # Who holds the lock is for messages; a disk that is full must not keep a run from ending.
    with suppress(OSError):
        holder.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
    try:
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def in_use(folder: Path) -> bool:
    """Whether a process holds the lock of a run folder now."""
    try:
        with FileLock(folder / "run.lock", timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def _holder(file: Path) -> str:
    try:
        known = json.loads(file.read_text())
        return f"process {known['pid']} on {known['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
