"""The repository that a folder lies in and its commit, read from git's files.

Git is never started, as the settings of a repository can make it run programs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from seqlab.files import read

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REFERENCE = re.compile(r"refs/[\w./+@-]+")
_MAX_SIZE = 16 << 20  # bytes of a file with many references
_MAX_LINKS = 5  # from a reference to another


@dataclass(frozen=True)
class Repository:
    """`top` has the files; `git` their index, and `common` the objects, as worktrees share them."""

    top: Path
    git: Path
    common: Path
    commit: str


def find_repository(folder: Path) -> Repository | None:
    """Return the repository that a folder lies in; None: there is none, or it has no commit."""
    folder = folder.absolute()
    try:
        paths = (parent / ".git" for parent in (folder, *folder.parents))
        path = next(path for path in paths if path.exists())
        git = _git_folder(path)
        common = _common_folder(git)
        commit = _commit(git, common)
    except (OSError, StopIteration, ValueError):
        return None
    return Repository(path.parent, git, common, commit) if commit else None


def _git_folder(path: Path) -> Path:
    """Return the folder `.git`, or the one that a file `.git` names, as in a worktree."""
    if path.is_dir():
        return path
    return (path.parent / _text(path).removeprefix("gitdir:").strip()).resolve()


def _common_folder(folder: Path) -> Path:
    if not (folder / "commondir").exists():
        return folder
    return (folder / _text(folder / "commondir").strip()).resolve()


def _commit(folder: Path, common: Path) -> str:
    value = _text(folder / "HEAD").strip()
    for _ in range(_MAX_LINKS):
        name = value.removeprefix("ref:").strip()
        if not value.startswith("ref:") or not _REFERENCE.fullmatch(name) or ".." in name:
            break
        value = _reference(name, folder, common)
    return value if _HASH.fullmatch(value) else ""


def _reference(name: str, *folders: Path) -> str:
    for folder in folders:
        if (folder / name).is_file():
            return _text(folder / name).strip()
    packed = folders[-1] / "packed-refs"
    lines = _text(packed).splitlines() if packed.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), "")


def _text(file: Path) -> str:
    return read(file, _MAX_SIZE).decode("ascii", "replace")
