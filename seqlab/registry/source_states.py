"""What lies on disk -> whether it is as it was, without reading it where its states say so.

As in git's index: a file whose size, times and inode are unchanged has its old content, unless it
changed so shortly before the state was taken that one tick of the clock may hide another change.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqlab.registry.source_hashes import MOST_BYTES, MOST_FILES

RACY = 2.0  # seconds


@dataclass(frozen=True)
class State:
    """A hash of the states of all files of a package, of the last of their times, and of `taken`.

    `content` is a hash of what is in them; empty: they were not read.
    """

    states: str
    latest: float = 0.0
    taken: float = 0.0
    content: str = ""

    @property
    def is_racy(self) -> bool:
        return self.latest > self.taken - RACY


ABSENT = State("")  # of a package that is not there


def environment() -> str:
    """Return a hash of the interpreter, and of what is installed and when it was."""
    parts = [sys.version, sys.prefix, *(part for path in sys.path for part in _metadata(path))]
    return _hash("\0".join(parts))


def _metadata(folder: str) -> Iterator[str]:
    """The metadata of distributions in a folder of `sys.path`, or the state of an archive."""
    with suppress(OSError), os.scandir(folder or ".") as entries:
        names = sorted(e.name for e in entries if e.name.endswith((".dist-info", ".egg-info")))
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 # a Path costs more than its stat
            yield f"{path} {_stat(path)} {_stat(f'{path}/entry_points.txt')}"
        return
    yield f"{folder} {_stat(folder)}"


def _stat(path: str) -> str:
    try:
        stat = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return ""
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"


def state_of(root: Path | None, *, content: bool = False) -> State | None:
    """Return the state of a package, a folder or a file; None: it has too many files.

    Raises:
        OSError: a file cannot be read.
    """
    if root is None:
        return ABSENT
    taken = time.time()
    files = list(_files(str(root)))
    if len(files) > MOST_FILES or sum(stat.st_size for _, stat in files) > MOST_BYTES:
        return None
    rows = [f"{name} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns} {s.st_ino}" for name, s in files]
    latest = max((max(s.st_mtime_ns, s.st_ctime_ns) for _, s in files), default=0) / 1e9
    read = _content([name for name, _ in files]) if content else ""
    return State(_hash("\0".join(rows)), latest, taken, read)


def _files(root: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every file below a folder with its state, sorted; those that Python makes itself are not."""
    if not os.path.isdir(root):  # noqa: PTH112
        yield root, os.stat(root)  # noqa: PTH116
        return
    with os.scandir(root) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name == "__pycache__" or entry.name.endswith(".pyc"):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry.path, entry.stat() if os.name != "nt" else os.stat(entry.path)  # noqa: PTH116


def _content(names: list[str]) -> str:
    whole = hashlib.sha256()
    for name in names:
        whole.update(f"{name}\0".encode("utf-8", "surrogatepass"))
        whole.update(hashlib.sha256(Path(name).read_bytes()).digest())
    return whole.hexdigest()


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def as_json(state: State) -> list[Any]:
    return [state.states, state.latest, state.taken, state.content]


def from_json(kept: Any) -> State | None:
    """Return a state that was kept; None: it is of another form."""
    types = [str, float, float, str]
    if not isinstance(kept, list) or [type(item) for item in kept] != types:
        return None
    return State(*kept)
