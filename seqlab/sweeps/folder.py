"""The folder of a sweep: its file, its trials' runs, its locks and the journal of its study."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from seqlab.atomic import atomic_folder, make_folders, remove_leftovers, write_atomic, write_synced
from seqlab.errors import CheckpointError, RunFailed, SeqlabError, UsageError
from seqlab.files import read
from seqlab.runs.file_schemas import parse
from seqlab.runs.folder import MAX_DESCRIPTION, RunFolder, folder_of_name
from seqlab.runs.lookup import SWEEP
from seqlab.sweeps.file_schemas import SweepFile, TrialFile

_TRIAL = re.compile(r"trial-([0-9]{4,6})(?:-seed-([0-9]+))?")
MARK = SWEEP


class SweepFolder:
    """Paths inside the folder of a sweep, and its small files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.given = path / "sweep.yaml"
        self.journal = path / "journal.log"
        self.locks = path / "locks"
        self.jobs = path / "slurm"
        self._description = path / MARK

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def exists(self) -> bool:
        return self._description.is_file()

    def describe(self, description: Mapping[str, Any], source: str) -> None:
        """Write what the sweep is, whole or not at all."""
        text = json.dumps(description, ensure_ascii=False, indent=2) + "\n"
        write_atomic(self.given, source.encode("utf-8", "replace"))
        write_atomic(self._description, text.encode())

    def description(self) -> dict[str, Any]:
        """Read `sweep.json`.

        Raises:
            UsageError: there is none.
            CheckpointError: it is damaged.
        """
        data = _read(self._description)
        if data is None:
            raise UsageError(f"{self.path}: is not a sweep (it has no {MARK})")
        return parse(SweepFile, data, str(self._description))

    def make(self) -> None:
        """Make the folder and that of its locks."""
        try:
            make_folders(self.locks)
        except OSError as error:
            raise RunFailed(f"{self.path}: cannot be made ({error.strerror})") from None

    # -- trials

    def run_of(self, number: int, index: int, seeds: int) -> RunFolder:
        """Return the folder of a run of a trial, which need not be there.

        Args:
            number: of the trial, from 0.
            index: of the seed, from 0.
            seeds: with how many each trial is run.
        """
        seed = f"-seed-{index}" if seeds > 1 else ""
        return RunFolder(self.path / f"trial-{number:04d}{seed}")

    def runs(self) -> dict[int, dict[int, RunFolder]]:
        """Return the folders of runs that were begun, by trial and by index of the seed."""
        found: dict[int, dict[int, RunFolder]] = {}
        for path in self._trial_folders():
            if (path / "run.json").is_file():
                number, index = _numbers(path)
                found.setdefault(number, {})[index] = RunFolder(path)
        return found

    def failures(self) -> dict[int, dict[str, Any]]:
        """Return the records of trials that failed before they had a run."""
        found = {}
        for path in self._trial_folders():
            if not (path / "run.json").is_file() and (path / "trial.json").is_file():
                found[_numbers(path)[0]] = self.trial_record(RunFolder(path))
        return found

    def _trial_folders(self) -> list[Path]:
        return sorted(path for path in self.path.glob("trial-*") if _TRIAL.fullmatch(path.name))

    def trial_record(self, run: RunFolder) -> dict[str, Any]:
        """Read `trial.json` of a run; raise CheckpointError if it is missing or damaged."""
        data = _read(run.trial)
        if data is None:
            raise CheckpointError(f"{run.trial}: is missing")
        return parse(TrialFile, data, str(run.trial))

    def write_failure(self, run: RunFolder, record: bytes) -> None:
        """Keep the record of a trial that has no run, in the place of its run."""
        remove_leftovers(self.path, run.path.name)
        with atomic_folder(run.path) as temporary:
            write_synced(temporary / run.trial.name, record)

    @contextmanager
    def holding(self, number: int) -> Iterator[bool]:
        """Try to hold the lock of a trial inside the block; False: another process has it."""
        lock = FileLock(self.locks / f"trial-{number:04d}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()


def _numbers(path: Path) -> tuple[int, int]:
    match = _TRIAL.fullmatch(path.name)
    assert match  # noqa: S101 # only such folders are looked at
    return int(match[1]), int(match[2] or 0)


def _read(path: Path) -> bytes | None:
    try:
        return read(path, MAX_DESCRIPTION)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from None


def sweep_folder(name: str, root: Path) -> SweepFolder:
    """Return the folder of the sweep of a name, which need not be there."""
    return SweepFolder(folder_of_name(name, root))


def find_sweep(name: str, root: Path) -> SweepFolder:
    """Find a sweep by its name or its folder.

    Raises:
        UsageError: there is none.
    """
    for folder in (sweep_folder(name, root), SweepFolder(Path(name))):
        if folder.exists:
            return folder
    known = sorted(path.parent.name for path in root.glob(f"*/{MARK}"))
    from seqlab.registry.option_values import suggest

    raise UsageError(f"sweep '{name}': there is none under {root}/{suggest(name, known)}")


def status_of(run: RunFolder) -> str:
    """The status in `run.json`; damaged, if it cannot be read."""
    try:
        return str(run.description()["status"])
    except SeqlabError:
        return "damaged"
