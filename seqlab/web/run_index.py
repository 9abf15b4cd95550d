"""Which runs there are, each under an id that says nothing of a path."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from seqlab.atomic import is_unfinished
from seqlab.printable import cell
from seqlab.runs.folder import RunFolder
from seqlab.runs.lock import in_use
from seqlab.runs.settings import in_words, telling
from seqlab.web.summaries import Row, finished, summary, unfinished

PARTS = 8  # looks after which every ended run was looked at again
QUIET = 5.0  # seconds without a new row after which the lock says whether a run goes on

Stamp: TypeAlias = tuple[int, ...]


@dataclass
class Known:
    """A run as it was read last; `version` counts up with each change of its row."""

    folder: RunFolder
    stamp: Stamp = ()
    row: Row = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    rows_stamp: Stamp = ()
    quiet_since: float = 0.0
    version: int = 0


class RunIndex:
    """The runs under a root; `refresh` looks for what has changed.

    Links are not followed: what lies outside of the root is not shown. `version` counts changes;
    `gone` has the ids of runs that were removed, and when.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.version = 0
        self.gone: dict[str, int] = {}
        self._known: dict[str, Known] = {}
        self._folders: dict[str, tuple[int, dict[str, str]]] = {}
        self._going_on: set[str] = set()
        self._looks = 0
        self._lock = threading.Lock()

    @property
    def ids(self) -> list[str]:
        """Of all runs that are known."""
        return list(self._known)

    @property
    def going_on(self) -> frozenset[str]:
        """The ids of the runs that go on."""
        return frozenset(self._going_on)

    def folder(self, run: str) -> RunFolder | None:
        """Return the folder of an id; None: there is no such run."""
        known = self._known.get(run)
        return known.folder if known else None

    def settings(self, run: str) -> dict[str, Any]:
        """Return the settings of a run by their dotted keys."""
        known = self._known.get(run)
        return known.settings if known else {}

    def rows(self, since: int = 0) -> list[Row]:
        """Return the rows that have changed after a version, the oldest run first."""
        known = list(self._known.values())
        return [finished(one.row) for one in known if one.version > since]

    def refresh(self, *, whole: bool = True) -> None:
        """Look at the files again.

        Args:
            whole: look at all of them; else at runs that are new or go on, and at a part of the
                others: at each of them after some calls.
        """
        with self._lock:
            self._looks += 1
            found = self._found()
            self._forget(found)
            part = islice(found, self._looks % PARTS, None, PARTS)
            due = {*part, *self._going_on, *(found.keys() - self._known.keys())}
            self._look_at(found if whole else {run: found[run] for run in due})

    def look(self, runs: Iterable[str]) -> None:
        """Look at the files of some runs again."""
        with self._lock:
            known = {run: self._known[run].folder.path for run in runs if run in self._known}
            self._look_at({run: str(path) for run, path in known.items()})

    def _look_at(self, paths: Mapping[str, str]) -> None:
        changed = [run for run, path in paths.items() if self._look(run, path)]
        if any(self._known[run].settings for run in changed):
            self._tell_apart({self._known[run].row["name"] for run in changed})

    def _found(self) -> dict[str, str]:
        """The path of each folder that may be a run, by its id."""
        found: dict[str, str] = {}
        for run, path in self._inside(str(self.root)).items():
            found[run] = path
            found |= self._inside(path)
        return found

    def _inside(self, folder: str) -> dict[str, str]:
        """The folders in a folder by their ids; they are listed again when it has changed."""
        try:
            stamp = os.stat(folder).st_mtime_ns  # noqa: PTH116 # a thousand of them a second
            known = self._folders.get(folder)
            if known is None or known[0] != stamp:
                with os.scandir(folder) as entries:
                    paths = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
                whole = [path for path in paths if not is_unfinished(Path(path))]
                known = self._folders[folder] = (stamp, {self._id(path): path for path in whole})
        except OSError:
            self._folders.pop(folder, None)
            return {}
        return known[1]

    def _id(self, path: str) -> str:
        relative = os.fsencode(os.path.relpath(path, self.root))
        return blake2b(relative, digest_size=8).hexdigest()

    def _forget(self, found: dict[str, str]) -> None:
        for run in [run for run in self._known if run not in found]:
            self._drop(run)

    def _drop(self, run: str) -> None:
        del self._known[run]
        self._going_on.discard(run)
        self.version += 1
        self.gone[run] = self.version

    def _look(self, run: str, path: str) -> bool:
        """Read a run if its files have changed; return whether its settings may have."""
        known = self._known.get(run)
        stamp = _stamp(f"{path}/run.json")
        if not stamp:
            if known:
                self._drop(run)
            return False
        stamp += _stamp(f"{path}/notes.json")
        if known is None or known.stamp != stamp:
            known = self._known.setdefault(run, Known(RunFolder(Path(path))))
            known.stamp, known.rows_stamp = stamp, ()
            known.row, known.settings = summary(known.folder)
            known.row |= {"id": run, "folder": cell(known.folder.path.name)}
            self.gone.pop(run, None)
            self._follow(known, path)
            self._changed(known)
            return True
        self._follow(known, path)
        return False

    def _follow(self, known: Known, path: str) -> None:
        """Look at the rows of a run that has not ended, and whether it still goes on."""
        if known.row["status"] not in ("running", "killed"):
            return
        stamp = _stamp(f"{path}/metrics.jsonl")
        now = time.monotonic()
        if stamp != known.rows_stamp:
            is_new = not known.rows_stamp
            known.rows_stamp, known.quiet_since = stamp, now
            known.row = {**known.row, **unfinished(known.folder), "status": "running"}
            if is_new and not in_use(known.folder.path):
                known.row["status"] = "killed"
            self._changed(known)
        elif known.row["status"] == "running" and now - known.quiet_since > QUIET:
            known.quiet_since = now
            if not in_use(known.folder.path):
                known.row = {**known.row, "status": "killed"}
                self._changed(known)

    def _changed(self, known: Known) -> None:
        self.version += 1
        known.version = self.version
        is_going_on = known.row["status"] == "running"
        (self._going_on.add if is_going_on else self._going_on.discard)(known.row["id"])

    def _tell_apart(self, names: set[str]) -> None:
        """Say of the runs with some names in which settings each differs from the others."""
        for name in names:
            group = [known for known in self._known.values() if known.row["name"] == name]
            keys = telling([known.settings for known in group if known.settings])
            for known in group:
                differs = cell(in_words(known.settings, keys))
                if differs != known.row.get("differs", ""):
                    known.row = {**known.row, "differs": differs}
                    self._changed(known)


def _stamp(path: str) -> Stamp:
    """What tells a changed file; () where there is none."""
    try:
        status = os.stat(path, follow_symlinks=False)  # noqa: PTH116 # likewise
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns
