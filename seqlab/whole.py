"""Folders and files that are there whole or not at all, whenever a process is killed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Make a folder under another name; it gets its own at the end of the block, if that is free.

    Raises:
        OSError: it cannot be made, or something else has its name by then.
    """
    temporary = _beside(path)
    remove_litter(path.parent)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that takes the place of what is there at once.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    temporary = _beside(path)
    try:
        write_synced(temporary, data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file and wait until it is on the disk."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def discard(path: Path) -> None:
    """Remove a folder under another name: one that is half removed must not look whole."""
    gone = _beside(path)
    with suppress(OSError):
        path.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def remove(path: Path) -> None:
    """Remove a folder as `discard` does, or a file.

    Raises:
        OSError: something is left of it.
    """
    if not path.is_dir():
        path.unlink()
        return
    gone = _beside(path)
    path.rename(gone)
    shutil.rmtree(gone)


def remove_litter(folder: Path) -> None:
    """Remove what processes that are gone left half made."""
    for path in folder.glob(".*.tmp"):
        pid = path.name.split(".")[-2]
        if not pid.isdigit() or _is_alive(int(pid)):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
