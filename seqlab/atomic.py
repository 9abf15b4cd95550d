"""Folders and files that appear whole or not at all, even if the process is killed.

Everything is written into a temporary folder, `.NAME.<16 hex digits>.tmp`. Its maker keeps a marker
file in it locked: so other processes, also on other hosts, know that seqlab made the folder and
whether it is in use. The content is synced to disk before the rename, the new name after it.

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

from seqlab.files import create, entries, expect_folder, open_to_read, read, sync_file

try:
    from fcntl import LOCK_EX, LOCK_NB, flock

    LOCKS = True
except ImportError:  # without locks, leftovers are not removed
    LOCKS = False

MARKER = ".seqlab-unfinished"
_MARKER_TEXT = b"seqlab made this folder, and was not finished with it.\n"
_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{16}\.tmp", re.DOTALL)
_OLD = re.compile(r"\.(.+)\.[0-9a-f]{16}\.old")


@contextmanager
def atomic_folder(path: Path, replaceable: Iterable[str] | None = None) -> Iterator[Path]:
    """Make a folder under a temporary name, and rename it to `path` at the end of the block.

    The block syncs the files that it writes (`write_synced`).

    Args:
        path: the final name.
        replaceable: a folder at `path` that holds only files of these names is replaced; None:
            `path` must be free.
    """
    make_folders(path.parent)
    remove_leftovers(path.parent, path.name)
    old = _hidden(path, "old")
    try:
        with _temporary_folder(path) as temporary:
            yield temporary
            if replaceable is not None and os.path.lexists(path):
                expect_only(path, replaceable)
                path.rename(old)
            sync_folder(temporary)
            temporary.rename(path)
            sync_folder(path.parent)
            _remove_marker(path)
    finally:
        if replaceable is not None:
            _finish_replacing(old, path, replaceable)


def restore_replaced(folder: Path, name: re.Pattern[str], files: Iterable[str]) -> None:
    """Finish replacements that were killed halfway, of folders with a name and files as given.

    The old folder is put back, or removed if the new one is there.
    """
    for path in entries(folder):
        match = _OLD.fullmatch(path.name)
        if match and name.fullmatch(match[1]):
            _finish_replacing(path, folder / match[1], files)


def _finish_replacing(old: Path, path: Path, files: Iterable[str]) -> None:
    with suppress(OSError):
        if path.exists():
            remove_folder(old, files)
        else:
            old.rename(path)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file, or replace it, in one step; on an error, what was there is unchanged."""
    with _temporary_folder(path) as temporary:
        write_synced(temporary / path.name, data)
        (temporary / path.name).replace(path)
        sync_folder(path.parent)


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file and wait until it is on disk."""
    with create(path) as file:
        file.write(data)
        sync_file(file)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a block for a folder, where the system has locks."""
    if not LOCKS:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a file system without locks
            flock(descriptor, LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Wait until all files in a folder, which others wrote, are on disk."""
    for path, _, files in os.walk(folder):
        for name in files:
            with open_to_read(Path(path, name)) as file:
                os.fsync(file.fileno())
        sync_folder(Path(path))


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk, where the system supports that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(path: Path) -> None:
    """Make a folder and its missing parents, and sync the name of each."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        sync_folder(folder.parent)


def remove_folder(folder: Path, names: Iterable[str]) -> None:
    """Remove a folder that holds only files of the given names."""
    expect_only(folder, names)
    _remove(set_aside(folder))


def set_aside(folder: Path) -> Path:
    """Rename a folder that is to be removed: one that is half removed must not look whole."""
    with suppress(OSError), create(folder / MARKER) as marker:
        marker.write(_MARKER_TEXT)  # so that `remove_leftovers` recognizes it half removed
    hidden = _hidden(folder, "tmp")
    try:
        folder.rename(hidden)
    except OSError:
        _remove_marker(folder)
        raise
    return hidden


def expect_only(folder: Path, names: Iterable[str]) -> None:
    """Check that a folder holds only files of the given names."""
    expect_folder(folder)
    known = {*names, MARKER}
    for path in entries(folder):
        if path.name not in known or (path.is_dir() and not path.is_symlink()):
            raise OSError(0, f"holds '{path.name}', which seqlab did not put there", str(folder))


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove temporary folders that seqlab made and no process uses: all, or those of `name`."""
    with suppress(OSError):
        for path in entries(folder):
            match = _TEMPORARY.fullmatch(path.name)
            if match and name in (None, match[1]):
                with suppress(OSError):
                    _remove_leftover(path)


def _remove_leftover(folder: Path) -> None:
    expect_folder(folder)
    names = {path.name for path in entries(folder)}
    if not names:
        folder.rmdir()  # its maker, if alive, takes another name
        return
    if not LOCKS or MARKER not in names:
        return
    text = read(folder / MARKER, len(_MARKER_TEXT))
    if text != _MARKER_TEXT and not (names == {MARKER} and _MARKER_TEXT.startswith(text)):
        return
    with (folder / MARKER).open("rb") as marker:
        flock(marker, LOCK_EX | LOCK_NB)  # BlockingIOError: in use
        _remove(folder)


def is_unfinished(folder: Path) -> bool:
    """Whether the name of a folder is that of one that is being made, replaced or removed."""
    return bool(_TEMPORARY.fullmatch(folder.name) or _OLD.fullmatch(folder.name))


def _hidden(path: Path, suffix: str) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.{suffix}")


@contextmanager
def _temporary_folder(path: Path) -> Iterator[Path]:
    """Make a marked folder beside `path`; it is removed at the end, unless it was renamed."""
    marker = None
    while marker is None:
        temporary = _hidden(path, "tmp")
        temporary.mkdir()
        try:
            with suppress(FileNotFoundError):  # another process removed it while it was empty
                marker = _make_marker(temporary)
        except OSError:
            _remove(temporary)
            raise
    try:
        yield temporary
    finally:
        _remove(temporary)
        marker.close()


def _make_marker(folder: Path) -> IO[bytes]:
    """Make the marker file, locked before it is written."""
    marker = create(folder / MARKER)
    try:
        if LOCKS:
            with suppress(OSError):  # a file system without locks
                flock(marker, LOCK_EX | LOCK_NB)
        marker.write(_MARKER_TEXT)
        marker.flush()
    except OSError:
        with suppress(OSError):  # closing flushes again
            marker.close()
        raise
    if not LOCKS:
        marker.close()  # Windows does not rename a folder with an open file
    return marker


def _remove_marker(folder: Path) -> None:
    with suppress(OSError):  # it is harmless
        (folder / MARKER).unlink(missing_ok=True)


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
