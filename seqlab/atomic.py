"""Folders and files that are there whole or not at all, whatever is killed and whenever.

Everything begins in a folder of its own, `.NAME.<16 hex digits>.tmp`, which holds a marker with a
lock that the maker keeps: so others see whose it is, and whether anybody still works on it, also
from another container or host. Once the content is on the disk, it gets its name; then that.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from seqlab.files import create, entries, expect_folder, read

try:
    from fcntl import LOCK_EX, LOCK_NB, flock

    LOCKS = True
except ImportError:  # a system without them: what is left behind there stays
    LOCKS = False

MARKER = ".seqlab-unfinished"
_SAYS = b"seqlab made this folder, and was not finished with it.\n"
_NAME = re.compile(r"\.(.+)\.[0-9a-f]{16}\.tmp", re.DOTALL)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Make a folder under another name; it gets its own at the end of the block, if that is free.

    Its files are synced by whoever writes them (`write_synced`).

    Raises:
        OSError: it cannot be made, or something else has its name by then.
    """
    make_folders(path.parent)
    remove_leftovers(path.parent, path.name)
    with _unfinished(path) as temporary:
        yield temporary
        sync_folder(temporary)
        temporary.rename(path)
        sync_folder(path.parent)
        with suppress(OSError):  # it does no harm
            (path / MARKER).unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file that takes the place of what is there at once, and is on the disk then.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    with _unfinished(path) as temporary:
        write_synced(temporary / path.name, data)
        (temporary / path.name).replace(path)
        sync_folder(path.parent)


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file and wait until it is on the disk."""
    with create(path) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can say so."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(path: Path) -> None:
    """Make a folder and those above it that are missing, each on the disk in the one above it."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        sync_folder(folder.parent)


def remove_known(folder: Path, names: Iterable[str]) -> None:
    """Remove a folder of which every file is known by name; one that holds anything else stays.

    It gives up its own name first: a folder that is half removed must not look whole.

    Raises:
        OSError: it is not there, is a link, holds something else, or cannot be removed.
    """
    expect_known(folder, names)
    with suppress(OSError), create(folder / MARKER) as marker:
        marker.write(_SAYS)  # whoever finds it half removed knows whose it was
    gone = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}.tmp")
    try:
        folder.rename(gone)
    except OSError:
        with suppress(OSError):  # it does no harm
            (folder / MARKER).unlink(missing_ok=True)
        raise
    _remove(gone)


def expect_known(folder: Path, names: Iterable[str]) -> None:
    """See to it that a folder holds nothing but files of the given names.

    Raises:
        OSError: it is not there, is a link, or holds something else.
    """
    expect_folder(folder)
    known = {*names, MARKER}
    for path in entries(folder):
        if path.name not in known or (path.is_dir() and not path.is_symlink()):
            raise OSError(0, f"holds '{path.name}', which seqlab did not put there", str(folder))


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove what nobody works on any more and seqlab has certainly made: all, or that of a name.

    What cannot be looked at is left alone.
    """
    with suppress(OSError):
        for path in entries(folder):
            form = _NAME.fullmatch(path.name)
            if form and name in (None, form[1]):
                with suppress(OSError):
                    _remove_if_left(path)


def _remove_if_left(folder: Path) -> None:
    expect_folder(folder)
    inside = {path.name for path in entries(folder)}
    if not inside:
        folder.rmdir()  # its maker takes another name
        return
    if not LOCKS or MARKER not in inside:
        return
    said = read(folder / MARKER, len(_SAYS))
    if said != _SAYS and not (inside == {MARKER} and _SAYS.startswith(said)):
        return
    with (folder / MARKER).open("rb") as marker:
        flock(marker, LOCK_EX | LOCK_NB)  # held: BlockingIOError
        _remove(folder)


@contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """Have a marked folder beside `path` for a while."""
    temporary, marker = _marked(path)
    try:
        yield temporary
    finally:
        _remove(temporary)
        marker.close()


def _marked(path: Path) -> tuple[Path, IO[bytes]]:
    """Make a folder of a new name, and in it the marker."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        temporary.mkdir()
        try:
            return temporary, _marker(temporary)
        except FileNotFoundError:  # somebody swept while it was empty
            continue
        except OSError:
            _remove(temporary)
            raise


def _marker(folder: Path) -> IO[bytes]:
    """Make the marker of a folder, locked before it says anything."""
    marker = create(folder / MARKER)
    try:
        if LOCKS:
            with suppress(OSError):  # a file system without them
                flock(marker, LOCK_EX | LOCK_NB)
        marker.write(_SAYS)
        marker.flush()
    except OSError:
        with suppress(OSError):  # what could not be written cannot be written now
            marker.close()
        raise
    if not LOCKS:
        marker.close()  # there a folder with an open file may not be renamed
    return marker


def _remove(folder: Path) -> None:
    """Remove what can be removed, the marker last."""
    with suppress(OSError):
        for path in entries(folder):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != MARKER:
                path.unlink()
        (folder / MARKER).unlink(missing_ok=True)
        folder.rmdir()
