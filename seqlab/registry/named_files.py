"""Options in -> the files that they name, and what is in them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

MOST_FILES = 10_000  # a larger folder is not hashed


def paths_in(value: Any) -> Iterator[Path]:
    """Yield every path in a value, at any depth; a text that names a file is a path too."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, str):
        if _is_file(value):
            yield Path(value)
    elif isinstance(value, Mapping):
        for item in (*value.keys(), *value.values()):
            yield from paths_in(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from paths_in(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from paths_in(getattr(value, field.name))


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
