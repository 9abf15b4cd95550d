"""What was prepared is kept: fingerprints, vocabularies and token ids, each under a key.

A key is a hash of everything that the content follows from, so nothing is ever out of date.
"""

from __future__ import annotations

import atexit
import errno
import hashlib
import json
import logging
import os
import platform
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from filelock import FileLock, Timeout
from platformdirs import user_cache_path
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from seqlab import packing
from seqlab.atomic import make_folders, remove_folder, remove_leftovers, write_atomic
from seqlab.data.store import FILES, Damaged, open_store, write_store
from seqlab.data.tokens import Part, Tokens
from seqlab.errors import RunFailed
from seqlab.files import expect_folder, read, size_of
from seqlab.packing import pack, unpack

log = logging.getLogger(__name__)

STATE = ".safetensors"  # ends the name of a vocabulary's file
MAX_FINGERPRINT = 4096  # bytes

RACY = 2.0  # seconds: who changed a file just now may change it again within one tick of its clock


def cache_folder() -> Path:
    """Return where seqlab keeps what it can make again: $SEQLAB_CACHE, or the system's place."""
    named = os.environ.get("SEQLAB_CACHE")
    return Path(named) if named else user_cache_path("seqlab")


def key_of(**parts: Any) -> str | None:
    """Hash JSON values to the name that something is kept under; None: a part is not known."""
    if any(part is None for part in parts.values()):
        return None
    text = json.dumps({**parts, "core": core()}, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@cache
def core() -> dict[str, str]:
    """What everything that is kept follows from too: code here, Python's tables of characters."""
    files = [Path(packing.__file__), *sorted(Path(__file__).parent.glob("*.py"))]
    code = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return {"code": code, "python": platform.python_version(), "numpy": np.__version__}


def kept_tokens(
    key: str | None, make: Callable[[], Iterable[Part]], vocabulary: int, about: Mapping[str, Any]
) -> Tokens:
    """Open the token ids under a key; make them first if they are not there, or are damaged.

    Args:
        key: from `key_of`; None: they are made for this process alone.
        make: encodes them.
        vocabulary: how many ids there are.
        about: what they are made of, for people.

    Raises:
        RunFailed: they cannot be written.
    """
    shelf = _Shelf(make, vocabulary, about)
    folder = cache_folder() / "tokens" / (key or "")
    if key is not None:
        with suppress(Damaged):
            return shelf.opened(folder)
    root = _root() if key is not None else _for_this_process()
    folder = root / "tokens" / (key or secrets.token_hex(16))
    with _alone(folder):
        try:
            return shelf.opened(folder)  # another process was quicker
        except Damaged:
            shelf.build(folder)
        return shelf.opened(folder)


class _Shelf:
    """How one store is opened, and made."""

    def __init__(
        self, make: Callable[[], Iterable[Part]], vocabulary: int, about: Mapping[str, Any]
    ) -> None:
        self._make = make
        self._vocabulary = vocabulary
        self._about = about

    def opened(self, folder: Path) -> Tokens:
        tokens = open_store(folder, lambda: self._rebuild(folder))
        with suppress(OSError):
            os.utime(folder, follow_symlinks=False)  # when it was last used
        return tokens

    def build(self, folder: Path) -> None:
        with suppress(FileNotFoundError):
            remove_folder(folder, FILES)
        write_store(folder, self._make(), self._vocabulary, self._about)

    def _rebuild(self, folder: Path) -> None:
        with _alone(folder):
            self.build(folder)


def kept_state(key: str | None, make: Callable[[], Any]) -> tuple[Any, bool]:
    """Return the state under a key, and whether it was there; it is made first if not."""
    if key is None:
        return make(), False
    file = _root() / "vocabularies" / f"{key}{STATE}"
    try:
        return _read_state(file), True
    except (OSError, SafetensorError, LookupError, TypeError, ValueError, RecursionError):
        state = make()
    tensors: dict[str, Tensor] = {}
    text = json.dumps(pack(state, "", tensors))  # ASCII: half a surrogate has no UTF-8
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with _written(file):
        make_folders(file.parent)
        write_atomic(file, save(own, {"state": text, "sha256": _hash(text, own)}))
    return state, False


def _read_state(file: Path) -> Any:
    expect_folder(file.parent)
    size_of(file)  # no link, and no pipe
    with safe_open(file, framework="pt") as opened:
        known = opened.metadata()
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    if known["sha256"] != _hash(known["state"], tensors):
        raise ValueError(f"{file}: is damaged")
    return unpack(json.loads(known["state"]), tensors)


def _hash(text: str, tensors: Mapping[str, Tensor]) -> str:
    return hashlib.sha256(text.encode() + save(dict(tensors))).hexdigest()


Seen: TypeAlias = Mapping[Path, tuple[int, ...]]
"""Size, times of the last change of content and of anything (ns), inode and device of each file."""


def look_at(files: Iterable[Path]) -> Seen:
    """Say how files are now.

    Raises:
        OSError: one of them is not there.
        ValueError: one has a name that no file can have.
    """
    found = [(path, path.stat()) for path in files]
    return {
        path: (at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino, at.st_dev)
        for path, at in found
    }


def kept_fingerprint(key: str | None, seen: Seen, make: Callable[[], str]) -> str:
    """Return the fingerprint of a corpus whose files are as they were, or make it.

    Args:
        key: of the corpus and its options; None: it is made.
        seen: all files that its content comes from.
        make: reads it.
    """
    if key is None:
        return make()
    state = [(str(path.absolute()), *at) for path, at in seen.items()]
    latest = max((max(at[1:3]) for at in seen.values()), default=0) / 1e9
    file = _root() / "fingerprints" / str(key_of(corpus=key, files=state))
    with suppress(OSError, UnicodeDecodeError):
        text = read(file, MAX_FINGERPRINT).decode("ascii")
        if text.endswith("\n"):
            return text[:-1]
    before = time.time()
    fingerprint = make()
    if latest < before - RACY and fingerprint.isascii() and fingerprint.isprintable():
        with suppress(OSError):
            if look_at(seen) == seen:
                make_folders(file.parent)
                write_atomic(file, f"{fingerprint}\n".encode())
    return fingerprint


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Build something that no other process is building now."""
    with _written(folder):
        make_folders(folder.parent)
        expect_folder(folder.parent)
        lock = FileLock(folder.with_suffix(".lock"))
        try:
            lock.acquire(timeout=1)
        except Timeout:
            log.info("Another process is preparing the same tokens; waiting for it")
            lock.acquire()
        try:
            remove_leftovers(folder.parent)
            yield
        finally:
            lock.release()


@contextmanager
def _written(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unwritable(error.filename or place, error) from None


def _unwritable(place: object, error: OSError) -> RunFailed:
    return RunFailed(
        f"{place}: cannot be written ({error.strerror or error}); the tokens"
        " of a corpus are kept on disk, $SEQLAB_CACHE names another folder for them"
    )


def check_writable() -> None:
    """See to it that what is prepared now can be kept.

    Raises:
        RunFailed: it cannot.
    """
    error = _refusal(cache_folder())
    if error is not None:
        raise _unwritable(cache_folder(), error)


def _root() -> Path:
    """The cache folder, or one for this process alone where that cannot be written."""
    folder = cache_folder()
    error = _refusal(folder)
    if error is None or error.errno in (errno.ENOSPC, errno.EDQUOT):
        return folder  # whoever writes to a full disk will say so
    return _temporary(folder, error.strerror)


def _refusal(folder: Path) -> OSError | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error


@cache
def _temporary(folder: Path, reason: str) -> Path:
    log.warning(
        "%s: cannot be written (%s), so nothing that is prepared is kept; $SEQLAB_CACHE names"
        " another folder", folder, reason
    )  # fmt: skip
    return _for_this_process()


@cache
def _for_this_process() -> Path:
    """A folder that goes when the process does."""
    place = tempfile.mkdtemp(prefix="seqlab-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return Path(place)
