"""Paths that a user gives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from seqlab.errors import UsageError


def named_path(value: Any, what: str) -> Path:
    """Return a path as it was given; an empty text, which `pathlib` reads as a dot, is refused.

    Raises:
        UsageError: it is empty, or no path; `what` names the argument.
    """
    if not isinstance(value, str | os.PathLike):
        raise UsageError(f"{what}: should be a path, not {type(value).__name__}")
    if not os.fspath(value):
        raise UsageError(f"{what}: is empty; give a path (the working folder is .)")
    path = os.fsdecode(value)
    if "\0" in path:
        raise UsageError(f"{what}: is no path: it has a NUL in it")
    return Path(path)
