"""A cache of what was prepared: fingerprints, vocabularies and token ids, each under a key.

A key is a hash of everything that the content follows from, so no entry is ever out of date.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from seqlab import packing
from seqlab.atomic import make_folders, remove_folder, write_atomic
from seqlab.cache_folder import cache_folder
from seqlab.data.cache_writing import locked, process_folder, writable_folder, writing
from seqlab.data.store import FILES, Damaged, open_store, write_store
from seqlab.data.tokens import Part, Tokens
from seqlab.files import expect_folder, read, size_of
from seqlab.packing import pack, unpack

STATE = ".safetensors"  # suffix of a vocabulary's file
MAX_FINGERPRINT = 4096  # bytes

RACY = 2.0  # seconds: a file that changed just now may change again within one tick of its clock


def key_of(**parts: Any) -> str | None:
    """Hash JSON values to a key; None: a part is unknown (None)."""
    if any(part is None for part in parts.values()):
        return None
    text = json.dumps({**parts, "core": core()}, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@cache
def core() -> dict[str, str]:
    """What every entry depends on too: the code here, and Python's tables of characters."""
    files = [Path(packing.__file__), *sorted(Path(__file__).parent.glob("*.py"))]
    code = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return {"code": code, "python": platform.python_version(), "numpy": np.__version__}


def cached_tokens(
    key: str | None, make: Callable[[], Iterable[Part]], vocabulary: int, about: Mapping[str, Any]
) -> Tokens:
    """Open the token ids of a key (None: for this process only); make them if missing or damaged.

    `vocabulary` is the number of ids, `about` a description for people.

    Raises:
        RunFailed: they cannot be written.
    """

    def open_entry(folder: Path) -> Tokens:
        tokens = open_store(folder, lambda: rebuild(folder))
        with suppress(OSError):
            os.utime(folder, follow_symlinks=False)  # the time of its last use
        return tokens

    def rebuild(folder: Path) -> None:
        with locked(folder):
            build(folder)

    def build(folder: Path) -> None:
        with suppress(FileNotFoundError):
            remove_folder(folder, FILES)
        write_store(folder, make(), vocabulary, about)

    if key is not None:
        with suppress(Damaged):
            return open_entry(cache_folder() / "tokens" / key)
    root = writable_folder() if key is not None else process_folder()
    folder = root / "tokens" / (key or secrets.token_hex(16))
    with locked(folder):
        try:
            return open_entry(folder)  # another process has just made them
        except Damaged:
            build(folder)
        return open_entry(folder)


def cached_state(key: str | None, make: Callable[[], Any]) -> tuple[Any, bool]:
    """Return the state of a key, and whether it was cached; it is made if not."""
    if key is None:
        return make(), False
    file = writable_folder() / "vocabularies" / f"{key}{STATE}"
    try:
        return _read_state(file), True
    except (OSError, SafetensorError, LookupError, TypeError, ValueError, RecursionError):
        state = make()
    tensors: dict[str, Tensor] = {}
    text = json.dumps(pack(state, "", tensors))  # ASCII: half a surrogate has no UTF-8
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with writing(file):
        make_folders(file.parent)
        write_atomic(file, save(own, {"state": text, "sha256": _hash(text, own)}))
    return state, False


def _read_state(file: Path) -> Any:
    expect_folder(file.parent)
    size_of(file)  # raises OSError if it is no regular file
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    if metadata["sha256"] != _hash(metadata["state"], tensors):
        raise ValueError(f"{file}: is damaged")
    return unpack(json.loads(metadata["state"]), tensors)


def _hash(text: str, tensors: Mapping[str, Tensor]) -> str:
    return hashlib.sha256(text.encode() + save(dict(tensors))).hexdigest()


FileStates: TypeAlias = Mapping[Path, tuple[int, ...]]
"""Of each file: size, times of content and status changes (ns), inode and device."""


def file_states(files: Iterable[Path]) -> FileStates:
    """Return the present states of files; raises OSError or ValueError for a missing one."""
    stats = {path: path.stat() for path in files}
    return {
        path: (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev)
        for path, stat in stats.items()
    }


def cached_fingerprint(key: str | None, files: FileStates, make: Callable[[], str]) -> str:
    """Return the fingerprint of a corpus whose files are unchanged, or make it.

    `key` is that of the corpus and its options; None: it is made.
    """
    if key is None:
        return make()
    states = [(str(path.absolute()), *state) for path, state in files.items()]
    latest = max((max(state[1:3]) for state in files.values()), default=0) / 1e9
    file = writable_folder() / "fingerprints" / str(key_of(corpus=key, files=states))
    with suppress(OSError, UnicodeDecodeError):
        text = read(file, MAX_FINGERPRINT).decode("ascii")
        if text.endswith("\n"):
            return text[:-1]
    before = time.time()
    fingerprint = make()
    if latest < before - RACY and fingerprint.isascii() and fingerprint.isprintable():
        with suppress(OSError):
            if file_states(files) == files:
                make_folders(file.parent)
                write_atomic(file, f"{fingerprint}\n".encode())
    return fingerprint
