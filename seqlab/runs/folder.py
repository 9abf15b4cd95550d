"""The folder of a run: where things lie, how it is made, how it is found again."""

from __future__ import annotations

import json
import math
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
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
from seqlab.runs.file_schemas import Description, MetricsRow, SampleRow, parse

ROOT = Path("runs")
MAX_DESCRIPTION = 16 << 20  # bytes
FOLDERS = frozenset({"checkpoints", "plugins", "tensorboard"})
FILES = frozenset(
    {"experiment.yaml", "resolved.yaml", "run.json", "metrics.jsonl", "samples.jsonl", "log.txt"}
    | {"run.lock", "run.lock.json", "profile.json", "metrics.csv"}
)
MAX_LINE = 64 << 20  # bytes, of a row


@dataclass(frozen=True)
class RunFolder:
    """Paths inside one run's folder, and its small files."""

    path: Path

    @property
    def name(self) -> str:
        """Of the experiment; of the folder above, where that cannot be read."""
        try:
            return str(self.description()["name"])
        except SeqlabError:
            return self.path.parent.name

    @property
    def experiment(self) -> Path:
        return self.path / "experiment.yaml"

    @property
    def resolved(self) -> Path:
        return self.path / "resolved.yaml"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def samples(self) -> Path:
        return self.path / "samples.jsonl"

    @property
    def profile(self) -> Path:
        return self.path / "profile.json"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def plugins(self) -> Path:
        return self.path / "plugins"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def _description(self) -> Path:
        return self.path / "run.json"

    def check_kinds(self) -> None:
        """See to it that what has a name of ours is what we make under that name: no link, say.

        Raises:
            CheckpointError: something is not; nothing has been read or written then.
        """
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
        """Write `run.json`, whole or not at all, and on the disk then."""
        write_atomic(self._description, as_json(description))

    def description(self) -> dict[str, Any]:
        """Read `run.json`.

        Raises:
            UsageError: there is none, or it is of another format.
            CheckpointError: it is damaged.
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
        """Read `metrics.jsonl`.

        Raises:
            CheckpointError: it cannot be read, or has a row of another shape.
        """
        return list(self._rows(self.metrics, MetricsRow))

    def sample_rows(self) -> list[dict[str, Any]]:
        """Read `samples.jsonl`.

        Raises:
            CheckpointError: it cannot be read, or has a row of another shape.
        """
        return list(self._rows(self.samples, SampleRow))

    def last_metrics_row(self) -> dict[str, Any] | None:
        """Read the last row of `metrics.jsonl` alone; None: there is none yet.

        Raises:
            CheckpointError: it cannot be read, or has another shape.
        """
        with _understood(self.metrics):
            line = last_line(self.metrics, MAX_LINE)
        return parse(MetricsRow, line, f"{self.metrics}, last line") if line else None

    def _rows(self, file: Path, shape: type) -> Iterator[dict[str, Any]]:
        with _understood(file):
            for number, line in enumerate(read_lines(file, MAX_LINE), 1):
                if line.endswith(b"\n"):  # or it is being written
                    yield parse(shape, line, f"{file}:{number}")

    def sync(self) -> dict[str, int]:
        """Force the rows to disk and return how long their files are."""
        sizes = {}
        for file in (self.metrics, self.samples):
            with open_to_append(file) as rows:
                sync_file(rows)
                sizes[file.name] = rows.seek(0, os.SEEK_END)
        return sizes

    def cut_back(self, sizes: Mapping[str, int]) -> None:
        """Drop the rows that came after a checkpoint, by the sizes that it remembers.

        Raises:
            CheckpointError: rows that it remembers are gone; nothing is changed then.
        """
        files = {file: int(sizes[file.name]) for file in (self.metrics, self.samples)}
        with _understood(self.path):
            for file, size in files.items():
                if not 0 <= size <= size_of(file):
                    raise CheckpointError(f"{file}: rows are gone that the checkpoint remembers")
        for file, size in files.items():
            cut(file, size)

    def append(self, file: Path, row: Mapping[str, Any]) -> None:
        """Add one line of JSON, at once on disk as far as the system is concerned.

        What is no finite number becomes null: JSON has no other word for it.
        """
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
def _understood(place: Path) -> Iterator[None]:
    """What the system says of a file of a run is damage."""
    try:
        yield
    except OSError as error:
        said = error.strerror or error
        raise CheckpointError(f"{error.filename or place}: cannot be read ({said})") from None


def check_free(folder: Path) -> None:
    """Refuse a folder that already holds a run.

    Raises:
        UsageError: it does, or it is no folder.
    """
    try:
        content = {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{folder}: cannot be a run's folder ({error.strerror})") from None
    if "run.json" in content:
        raise UsageError(f"{folder}: already holds a run; give another --run-dir")
    if content:
        raise UsageError(f"{folder}: is not empty; a run wants a folder of its own")


def choose_path(name: str, run_dir: Path | None, root: Path) -> Path:
    """Return where a new run will lie: `run_dir`, or under `root`, named by time and chance.

    Raises:
        UsageError: the folder is taken.
    """
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = run_dir or root / _safe(name) / f"{now}-{secrets.token_hex(3)}"
    if run_dir is None and not path.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"{path}: leads out of {root}")
    check_free(path)
    return path


@contextmanager
def appearing(path: Path) -> Iterator[RunFolder]:
    """Make a run folder that appears under its name at the end of the block, whole or not at all.

    Raises:
        RunFailed: it cannot be written.
    """
    try:
        with atomic_folder(path) as temporary:
            (temporary / "checkpoints").mkdir()
            yield RunFolder(temporary)
    except OSError as error:
        raise RunFailed(f"{path}: cannot be made or written ({error.strerror})") from None


def _safe(name: str) -> str:
    """A name of a folder that stays where it is put."""
    return re.sub(r"[^\w.-]", "_", name).lstrip(".") or "experiment"
