"""What of a repository is not committed, as `diff.patch` of a run folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqlab.interrupts import reraise_interrupt
from seqlab.registry.error_summary import reason
from seqlab.runs.git_commit import Repository, find_repository
from seqlab.runs.patches import patch_of, quoted
from seqlab.runs.secrets_left_out import MASK, masked, may_be_secret
from seqlab.runs.untracked import MOST_NAMES, untracked
from seqlab.runs.working_tree import MAX_SECONDS, Change, TookTooLong, WorkingTree

log = logging.getLogger(__name__)

MAX_PATCH = 1 << 20  # bytes
MAX_RECORD = 4 * MAX_PATCH  # with the names of files
LONGEST_LINE = 10_000  # characters
_ELSEWHERE = b"version https://git-lfs.github.com/spec/"  # how a file in its place begins


@dataclass(frozen=True)
class CodeState:
    """`git` of `run.json` (None: there is no repository), and `diff.patch` (empty: no file)."""

    git: dict[str, Any] | None = None
    patch: bytes = b""


@dataclass
class _Patch:
    """The parts of a patch; `left_out` has files, and why they are not in it, and `size` bytes."""

    parts: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    size: int = 0
    has_masks: bool = False

    def add(self, change: Change) -> None:
        if why := _not_shown(change):
            self._leave_out(change, why)
            return
        lines = patch_of(change)
        size = sum(len(line.encode("utf-8", "surrogateescape")) for line in lines)
        if self.size + size > MAX_PATCH:
            self._leave_out(change, f"the record has {MAX_PATCH:,} bytes at most")
        elif any(len(line) > LONGEST_LINE for line in lines):
            self._leave_out(change, "a line is too long")
        else:
            shown = masked(lines)
            self.has_masks |= shown != lines
            self.size += size
            self.parts += shown

    def _leave_out(self, change: Change, why: str) -> None:
        self.left_out.append(f"{quoted(change.path)}: {why}")


def code_state(folders: Iterable[Path], seconds: float = MAX_SECONDS) -> CodeState:
    """Return the state of the first repository that one of some folders lies in.

    A repository that cannot be read is told in the log, as a warning, and fails nothing. After
    `seconds` no further file is looked at.
    """
    repositories = (find_repository(folder) for folder in folders)
    repository = next((found for found in repositories if found is not None), None)
    if repository is None:
        return CodeState()
    try:
        clean, patch = _uncommitted(repository, seconds)
    except BaseException as error:
        reraise_interrupt(error)
        why = reason(error)
        log.warning("What is not committed in %s is not recorded: %s", repository.top, why)
        clean, patch = None, b""
    return CodeState({"commit": repository.commit, "clean": clean}, patch)


def _uncommitted(repository: Repository, seconds: float) -> tuple[bool | None, bytes]:
    """Return whether tracked files are as they were committed (None: not known), and the patch."""
    patch, names, in_time = _Patch(), list[str](), False
    with closing(WorkingTree(repository, seconds)) as tree, suppress(TookTooLong):
        for change in tree.changes():
            patch.add(change)
        in_time = True
        names = untracked(repository, tree.tracked, tree.check_time)
    clean = False if patch.parts or patch.left_out else (True if in_time else None)
    if not in_time:
        patch.left_out.append("whatever else has changed: it takes too long to look at all files")
    if clean and not names:
        return True, b""
    head = "".join(f"# {line}\n" for line in _head(repository, patch, names))
    return clean, (head + "".join(patch.parts)).encode("utf-8", "surrogateescape")


def _head(repository: Repository, patch: _Patch, names: Sequence[str]) -> Iterator[str]:
    yield f"What was not committed, beside commit {repository.commit}"
    if patch.has_masks:
        yield f"{MASK} stands for what looks like a secret; such a part does not apply as it is"
    for title, entries in (
        ("Changed, and not in this patch:", patch.left_out),
        ("Not tracked, and not in this patch:", [quoted(os.fsencode(name)) for name in names]),
    ):
        if entries:
            yield title
            yield from (f"  {entry}" for entry in entries[:MOST_NAMES])
            if len(entries) > MOST_NAMES:
                yield f"  and {len(entries) - MOST_NAMES} more"


def _not_shown(change: Change) -> str:
    """Why a change is left out; empty: it is not."""
    if may_be_secret(change.path.decode("utf-8", "replace")):
        return "its name is one of secrets"
    old, new = change.old, change.new
    contents = [side.content for side in (old, new) if side]
    if None in contents:
        return "it is too large"
    if any(b"\0" in content for content in contents if content):
        return "it is no text"
    if old and new and (old.content or b"").startswith(_ELSEWHERE):
        return "git keeps its content elsewhere"
    return ""
