"""Where the cache is written: its folder, or one for this process, with a lock for each entry."""

from __future__ import annotations

import atexit
import errno
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from seqlab.atomic import make_folders, remove_leftovers
from seqlab.cache_folder import cache_folder
from seqlab.errors import RunFailed
from seqlab.files import expect_folder

log = logging.getLogger(__name__)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the name of an entry, a folder, while it is made."""
    with writing(folder):
        make_folders(folder.parent)
        expect_folder(folder.parent)
        lock = FileLock(folder.with_suffix(".lock"))
        try:
            lock.acquire(timeout=1)
        except Timeout:
            log.info("Another process is preparing the same; waiting for it")
            lock.acquire()
        try:
            remove_leftovers(folder.parent)
            yield
        finally:
            lock.release()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the errors of a block that writes a path into RunFailed."""
    try:
        yield
    except OSError as error:
        raise _unwritable(error.filename or path, error) from None


def _unwritable(path: object, error: OSError) -> RunFailed:
    return RunFailed(
        f"{path}: cannot be written ({error.strerror or error}); the tokens"
        " of a corpus are kept on disk, $SEQLAB_CACHE names another folder for them"
    )


def check_writable() -> None:
    """Raise RunFailed if the cache folder cannot be written."""
    if error := _write_error(cache_folder()):
        raise _unwritable(cache_folder(), error)


def writable_folder() -> Path:
    """The cache folder, or one for this process alone if that cannot be written."""
    folder = cache_folder()
    error = _write_error(folder)
    if error is None or error.errno in (errno.ENOSPC, errno.EDQUOT):
        return folder  # a full disk is reported by the write that fails
    return _process_folder_with_warning(folder, error.strerror)


def _write_error(folder: Path) -> OSError | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error


@cache
def _process_folder_with_warning(folder: Path, reason: str) -> Path:
    log.warning(
        "%s: cannot be written (%s), so nothing that is prepared is kept; $SEQLAB_CACHE names"
        " another folder", folder, reason
    )  # fmt: skip
    return process_folder()


@cache
def process_folder() -> Path:
    """A folder that is removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="seqlab-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
