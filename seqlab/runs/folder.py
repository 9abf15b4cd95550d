"""The folder of a run: its files, and how it is made."""

from __future__ import annotations

import json
import math
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seqlab.atomic import atomic_folder, write_atomic
from seqlab.errors import CheckpointError, RunFailed, SeqlabError, UsageError
from seqlab.files import (
    cut,
    expect_folder,
    expect_writable,
    last_line,
    open_to_append,
    read,
    read_lines,
    size_of,
    sync_file,
)
from seqlab.remedies import Argument
from seqlab.runs.file_schemas import Cost, Description, MetricsRow, SampleRow, parse

ROOT = Path("runs")
MAX_DESCRIPTION = 16 << 20  # bytes
FOLDERS = frozenset({"checkpoints", "plugins", "tensorboard"})
FILES = frozenset(
    {"experiment.yaml", "resolved.yaml", "run.json", "metrics.jsonl", "samples.jsonl", "log.txt"}
    | {"run.lock", "run.lock.json", "profile.json", "metrics.csv", "notes.json"}
    | {"packages.txt", "diff.patch", "trial.json"}
)
MAX_LINE = 64 << 20  # bytes, of a row
_OWN_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}")


class RunFolder:
    """Paths inside the folder of a run, and its small files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.experiment = path / "experiment.yaml"
        self.resolved = path / "resolved.yaml"
        self.metrics = path / "metrics.jsonl"
        self.samples = path / "samples.jsonl"
        self.profile = path / "profile.json"
        self.notes = path / "notes.json"
        self.packages = path / "packages.txt"
        self.trial = path / "trial.json"
        self.patch = path / "diff.patch"
        self.log = path / "log.txt"
        self.plugins = path / "plugins"
        self.checkpoints = path / "checkpoints"
        self._description = path / "run.json"

    @property
    def name(self) -> str:
        """The name of the experiment, or of the parent folder if `run.json` cannot be read."""
        try:
            return str(self.description()["name"])
        except SeqlabError:
            return self.path.parent.name

    def check_kinds(self) -> None:
        """Raise CheckpointError if a file is no file, or a folder no folder; a link is neither."""
        for path in sorted(self.path / name for name in (*FILES, *FOLDERS)):
            try:
                if path.name in FOLDERS:
                    expect_folder(path)
                else:
                    expect_writable(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise CheckpointError(f"{path}: {error.strerror or error}") from None

    def describe(self, description: Mapping[str, Any]) -> None:
        """Write `run.json`, whole or not at all, and synced to the disk."""
        write_atomic(self._description, as_json(description))

    def description(self) -> dict[str, Any]:
        """Read `run.json`.

        Raises:
            UsageError: there is none.
            CheckpointError: it is damaged, or of another format.
        """
        file = self._description
        try:
            data = read(file, MAX_DESCRIPTION)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UsageError(f"{self.path}: is not a run ({error.strerror}: run.json)") from None
        except OSError as error:
            raise CheckpointError(f"{file}: cannot be read ({error.strerror or error})") from None
        return parse(Description, data, str(file))

    def metrics_rows(self) -> list[dict[str, Any]]:
        """Read `metrics.jsonl`; raises CheckpointError if it is damaged."""
        return list(self._rows(self.metrics, MetricsRow))

    def costs(self) -> Iterator[dict[str, Any]]:
        """Read `split`, `loss` and `perplexity` of each row of `metrics.jsonl`, which is faster.

        Raises:
            CheckpointError: one of these is damaged.
        """
        return self._rows(self.metrics, Cost)

    def sample_rows(self) -> list[dict[str, Any]]:
        """Read `samples.jsonl`; raises CheckpointError if it is damaged."""
        return list(self._rows(self.samples, SampleRow))

    def last_metrics_row(self) -> dict[str, Any] | None:
        """Read only the last row of `metrics.jsonl`; None: there is none yet."""
        with _read_errors(self.metrics):
            line = last_line(self.metrics, MAX_LINE)
        return parse(MetricsRow, line, f"{self.metrics}, last line") if line else None

    def _rows(self, file: Path, shape: type) -> Iterator[dict[str, Any]]:
        with _read_errors(file):
            for number, line in enumerate(read_lines(file, MAX_LINE), 1):
                if line.endswith(b"\n"):  # otherwise it is still being written
                    yield parse(shape, line, f"{file}:{number}")

    def sync(self) -> dict[str, int]:
        """Sync the files of rows to the disk, and return their sizes."""
        sizes = {}
        for file in (self.metrics, self.samples):
            with open_to_append(file) as rows:
                sync_file(rows)
                sizes[file.name] = rows.seek(0, os.SEEK_END)
        return sizes

    def cut_back(self, sizes: Mapping[str, int]) -> None:
        """Drop the rows after a checkpoint; raise CheckpointError if rows before it are missing."""
        files = {file: int(sizes[file.name]) for file in (self.metrics, self.samples)}
        with _read_errors(self.path):
            for file, size in files.items():
                if not 0 <= size <= size_of(file):
                    raise CheckpointError(f"{file}: rows from before the checkpoint are missing")
        for file, size in files.items():
            cut(file, size)

    def append(self, file: Path, row: Mapping[str, Any]) -> None:
        """Append a line of JSON; numbers that are not finite become null."""
        plain = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in row.items()
        }
        line = json.dumps(plain, ensure_ascii=False, allow_nan=False) + "\n"
        with open_to_append(file) as lines:
            lines.write(line.encode("utf-8", "replace"))


def as_json(description: Mapping[str, Any]) -> bytes:
    """Return the bytes of a `run.json`."""
    text = json.dumps(description, ensure_ascii=False, indent=2) + "\n"
    return text.encode("utf-8", "replace")


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into a CheckpointError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(f"{error.filename or path}: cannot be read ({reason})") from None


def check_free(folder: Path) -> None:
    """Raise UsageError unless a folder is free for a new run."""
    try:
        content = {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{folder}: cannot be a run's folder ({error.strerror})") from None
    if "run.json" in content:
        raise UsageError(f"{folder}: already holds a run; give another {Argument('run_dir')}")
    if content:
        raise UsageError(f"{folder}: is not empty; a run needs a folder of its own")


def is_given_name(folder_name: str) -> bool:
    """Whether a person named the folder of a run; else it has its time and its id."""
    return not _OWN_NAME.fullmatch(folder_name)


def choose_path(name: str, run_dir: Path | None, root: Path) -> Path:
    """Return the folder of a new run: `run_dir`, or one under `root` with time and a random id."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = run_dir or folder_of_name(name, root) / f"{now}-{secrets.token_hex(3)}"
    if run_dir is None and not path.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"{path}: is outside of {root}")
    check_free(path)
    return path


@contextmanager
def new_run_folder(path: Path) -> Iterator[RunFolder]:
    """Make a run folder that gets its name at the end of the block."""
    try:
        with atomic_folder(path) as temporary:
            (temporary / "checkpoints").mkdir()
            yield RunFolder(temporary)
    except OSError as error:
        raise RunFailed(f"{path}: cannot be made or written ({error.strerror})") from None


def folder_of_name(name: str, root: Path) -> Path:
    """Return the folder under a root that has the runs of a name."""
    return root / _safe(name)


def _safe(name: str) -> str:
    """Return a name without separators or leading dots."""
    return re.sub(r"[^\w.-]", "_", name).lstrip(".") or "experiment"
