"""Options in -> the files that they name, and what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from seqlab.registry.option_tree import leaves

MOST_FILES = 10_000  # a larger folder is not hashed


def paths_in(value: Any) -> Iterator[Path]:
    """Yield every path in a value, at any depth; a text that names a file is a path too."""
    for leaf in leaves(value):
        if isinstance(leaf, Path):
            yield leaf
        elif isinstance(leaf, str) and _is_file(leaf):
            yield Path(leaf)


def named_files(options: Mapping[str, Any], exclude: Iterable[Path] = ()) -> dict[str, str] | None:
    """Return SHA-256 of each file that options name, also of those in folders that they name.

    None: one of them cannot be read, or there are too many.
    """
    files = {file for path in paths_in(options) for file in _files(path)} - {*exclude}

    if len(files) > MOST_FILES:
        return None
    try:
        return {str(file): _sha256(file) for file in sorted(files)}
    except OSError:
        return None


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    return [path] if path.exists() else []


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _is_file(text: str) -> bool:
    try:
        return 0 < len(text) < 4096 and Path(text).is_file()
    except (OSError, ValueError):
        return False
