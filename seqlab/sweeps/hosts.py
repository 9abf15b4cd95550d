"""Whether the locks of a folder are seen by the other hosts that use it, which is tried.

Every sweep that runs holds a lock of its own, and shows by a beat beside it that it lives. If the
lock of one that beats can be had, then locks do not reach from its host to this one.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeAlias

from filelock import FileLock, Timeout

BEAT = 1.0  # seconds
PATIENCE = 3 * BEAT

Reach: TypeAlias = Literal["hosts", "host", "nowhere"]
"""How far locks reach: to all hosts, to the processes of one, or they do not work."""


@contextmanager
def present(locks: Path) -> Iterator[Reach]:
    """Show that this host runs a sweep, inside the block; yield how far locks reach.

    Args:
        locks: the folder with the locks.
    """
    own = locks / f"host-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}.lock"
    if not _works(own):
        yield "nowhere"
        return
    lock, over = FileLock(own, timeout=0), threading.Event()
    with lock, _beating(own, over):
        reach: Reach = "hosts" if all(map(_is_seen, _others(locks))) else "host"
        yield reach
    for path in (own, _beat_of(own)):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _works(path: Path) -> bool:
    """Whether a lock that is held is refused to somebody else."""
    with FileLock(path, timeout=0):
        return not _can_be_had(path)


def _can_be_had(path: Path) -> bool:
    try:
        with FileLock(path, timeout=0):
            return True
    except Timeout:
        return False


def _others(locks: Path) -> list[Path]:
    """The locks of sweeps on other hosts."""
    own = f"host-{socket.gethostname()}-"
    return [path for path in locks.glob("host-*.lock") if not path.name.startswith(own)]


def _is_seen(lock: Path) -> bool:
    """Whether a lock is refused as long as its holder beats; who does not beat says nothing."""
    before, end = _read(lock), time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if not _can_be_had(lock):
            return True
        if _read(lock) != before:
            return False
        time.sleep(BEAT / 10)
    return True


def _beat_of(lock: Path) -> Path:
    return lock.with_suffix(".beat")


def _read(lock: Path) -> bytes:
    with suppress(OSError):
        return _beat_of(lock).read_bytes()[:64]
    return b""


@contextmanager
def _beating(lock: Path, over: threading.Event) -> Iterator[None]:
    def beat() -> None:
        number = 0
        while not over.is_set():
            number += 1
            with suppress(OSError):
                _beat_of(lock).write_bytes(str(number).encode())
            over.wait(BEAT)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
