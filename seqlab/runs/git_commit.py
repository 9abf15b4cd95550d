"""The commit of the working folder, read from git's own files.

Git itself is never started: the settings of a repository can make it run programs.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from seqlab.files import read

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REFERENCE = re.compile(r"refs/[\w./+@-]+")
_LARGEST = 16 << 20  # bytes, of a file with many references
_MOST_LINKS = 5  # from one reference to the next


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return `{"commit": …, "clean": None}`; None where there is no repository or no commit.

    Whether the files are as they were committed is not known: only git's filters could say that.
    """
    try:
        place = next(one / ".git" for one in (folder, *folder.parents) if (one / ".git").exists())
        commit = _commit(_folder(place))
    except (OSError, StopIteration, ValueError):
        return None
    return {"commit": commit, "clean": None} if commit else None


def _folder(place: Path) -> Path:
    """Where git keeps things: `.git`, or where a file of that name says (a worktree has one)."""
    if place.is_dir():
        return place
    return (place.parent / _text(place).removeprefix("gitdir:").strip()).resolve()


def _commit(folder: Path) -> str:
    common = folder
    if (folder / "commondir").exists():
        common = (folder / _text(folder / "commondir").strip()).resolve()
    said = _text(folder / "HEAD").strip()
    for _ in range(_MOST_LINKS):
        name = said.removeprefix("ref:").strip()
        if not said.startswith("ref:") or not _REFERENCE.fullmatch(name) or ".." in name:
            break
        said = _reference(name, folder, common)
    return said if _HASH.fullmatch(said) else ""


def _reference(name: str, *folders: Path) -> str:
    for folder in folders:
        if (folder / name).is_file():
            return _text(folder / name).strip()
    packed = folders[-1] / "packed-refs"
    lines = _text(packed).splitlines() if packed.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), "")


def _text(file: Path) -> str:
    return read(file, _LARGEST).decode("ascii", "replace")
