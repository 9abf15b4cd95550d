"""The entries of the cache: listed and removed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open

from seqlab.atomic import expect_only, remove_folder, remove_leftovers
from seqlab.cache_folder import cache_folder
from seqlab.data import copies
from seqlab.data.cache import MAX_FINGERPRINT, STATE
from seqlab.data.store import FILES, Damaged, read_manifest
from seqlab.files import entries, read, size_of
from seqlab.registry import kept_entries

_KEY = re.compile(r"[0-9a-f]{32}")
_NOT_OURS = "was not made by seqlab, so it stays"


def stores() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the token stores in the cache, each with its manifest."""
    for folder in _keyed(cache_folder() / "tokens", ""):
        with suppress(Damaged, OSError):
            expect_only(folder, FILES)
            yield folder, read_manifest(folder)


def sizes_of_copies() -> Iterator[int]:
    """Yield the bytes of each copy of a file elsewhere."""
    for folder in _keyed(cache_folder() / copies.FOLDER, ""):
        with suppress(OSError):
            yield copies.size_of_copy(folder)


def clear() -> tuple[int, list[OSError]]:
    """Remove all entries; runs that use or build them are not disturbed.

    What seqlab did not make stays.

    Returns:
        The removed bytes, and an error for each entry that could not be removed.
    """
    removed, refusals = 0, []
    removals = {
        "tokens": _remove_store,
        "vocabularies": _remove_vocabulary,
        "fingerprints": _remove_fingerprint,
        kept_entries.FOLDER: _remove_signatures,
        copies.FOLDER: copies.remove_copy,
        copies.LISTS: copies.remove_list,
    }
    for name, remove in removals.items():
        folder = cache_folder() / name
        remove_leftovers(folder)
        for path in _keyed(folder, STATE if name == "vocabularies" else ""):
            try:
                removed += remove(path)
            except FileNotFoundError:  # another process clears too
                pass
            except OSError as error:
                reason = error.strerror or str(error)
                refusals.append(OSError(error.errno, reason, str(path)))
    return removed, refusals


def _keyed(folder: Path, suffix: str) -> list[Path]:
    """The paths in a folder that are named by a key."""
    with suppress(OSError):
        return [p for p in entries(folder) if _KEY.fullmatch(p.name.removesuffix(suffix))]
    return []


def _remove_store(folder: Path) -> int:
    """Remove a store; return its size, or 0 if another process builds it."""
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


def _remove_vocabulary(file: Path) -> int:
    size = size_of(file)
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
    except (SafetensorError, ValueError):
        metadata = {}
    if not {"state", "sha256"} <= metadata.keys():
        raise OSError(0, _NOT_OURS, str(file))
    file.unlink()
    return size


def _remove_fingerprint(file: Path) -> int:
    data = read(file, MAX_FINGERPRINT)
    if not (data.isascii() and data[:-1].decode().isprintable() and data.endswith(b"\n")):
        raise OSError(0, _NOT_OURS, str(file))
    file.unlink()
    return len(data)


def _remove_signatures(file: Path) -> int:
    size = size_of(file)
    if not kept_entries.is_entry(file):
        raise OSError(0, _NOT_OURS, str(file))
    file.unlink()
    return size
