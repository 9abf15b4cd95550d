"""What is kept of prepared corpora: looked through, and removed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open

from seqlab.atomic import expect_only, remove_folder, remove_leftovers
from seqlab.data.cache import MAX_FINGERPRINT, STATE, cache_folder
from seqlab.data.store import FILES, Damaged, read_manifest
from seqlab.files import entries, read, size_of

_KEY = re.compile(r"[0-9a-f]{32}")
_NOT_OURS = "is nothing that seqlab made, and stays"


def stores() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the token stores that are kept, with what each says of itself."""
    for folder in _named(cache_folder() / "tokens", ""):
        with suppress(Damaged, OSError):
            expect_only(folder, FILES)
            yield folder, read_manifest(folder)


def clear() -> tuple[int, list[OSError]]:
    """Remove all that was prepared; runs that are using it go on, and so does whoever builds.

    What seqlab cannot have made stays, whatever its name is.

    Returns:
        Bytes that were removed, and why what is left could not be.
    """
    removed, refusals = 0, []
    removals = {"tokens": _store, "vocabularies": _vocabulary, "fingerprints": _fingerprint}
    for name, remove in removals.items():
        folder = cache_folder() / name
        remove_leftovers(folder)
        for path in _named(folder, STATE if name == "vocabularies" else ""):
            try:
                removed += remove(path)
            except FileNotFoundError:  # somebody else clears too
                pass
            except OSError as error:
                said = error.strerror or str(error)
                refusals.append(OSError(error.errno, said, str(path)))
    return removed, refusals


def _named(folder: Path, suffix: str) -> list[Path]:
    """What has a name that a key makes."""
    try:
        found = entries(folder)
    except OSError:
        return []
    return [path for path in found if _KEY.fullmatch(path.name.removesuffix(suffix))]


def _store(folder: Path) -> int:
    """Remove a store; return its size, or 0 where another process needs it."""
    expect_only(folder, FILES)
    size = sum(path.lstat().st_size for path in entries(folder))
    lock = folder.with_suffix(".lock")
    if not lock.exists():
        remove_folder(folder, FILES)
        return size
    try:
        with FileLock(lock, timeout=0):
            remove_folder(folder, FILES)
    except Timeout:
        return 0
    return size


def _vocabulary(file: Path) -> int:
    size = size_of(file)
    try:
        with safe_open(file, framework="pt") as opened:
            known = opened.metadata() or {}
    except (SafetensorError, ValueError):
        known = {}
    if not {"state", "sha256"} <= known.keys():
        raise OSError(0, _NOT_OURS, str(file))
    file.unlink()
    return size


def _fingerprint(file: Path) -> int:
    data = read(file, MAX_FINGERPRINT)
    if not (data.isascii() and data[:-1].decode().isprintable() and data.endswith(b"\n")):
        raise OSError(0, _NOT_OURS, str(file))
    file.unlink()
    return len(data)
