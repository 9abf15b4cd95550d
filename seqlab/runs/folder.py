"""The folder of a run: where things lie, how it is made, how it is found again."""

from __future__ import annotations

import json
import math
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seqlab.errors import CheckpointError, RunFailed, UsageError
from seqlab.whole import whole_folder

ROOT = Path("runs")
FORMAT = 1


@dataclass(frozen=True)
class RunFolder:
    """Paths inside one run's folder, and its small files."""

    path: Path

    @property
    def name(self) -> str:
        """Of the experiment; of the folder above, where that cannot be read."""
        try:
            return str(self.description()["name"])
        except (UsageError, KeyError):
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

    def describe(self, description: Mapping[str, Any]) -> None:
        """Write `run.json`, whole or not at all."""
        text = json.dumps(description, ensure_ascii=False, indent=2) + "\n"
        self.write_whole(self._description, text)

    def write_whole(self, file: Path, text: str) -> None:
        """Write a small file, whole or not at all."""
        temporary = file.with_suffix(f"{file.suffix}.tmp")
        temporary.write_text(text, "utf-8")
        temporary.replace(file)

    def description(self) -> dict[str, Any]:
        """Read `run.json`.

        Raises:
            UsageError: there is none, or it is damaged.
        """
        try:
            content = json.loads(self._description.read_text("utf-8"))
        except OSError as error:
            raise UsageError(f"{self.path}: is not a run ({error.strerror}: run.json)") from None
        except ValueError:
            raise UsageError(f"{self._description}: is damaged (not JSON)") from None
        if not isinstance(content, dict):
            raise UsageError(f"{self._description}: is damaged (not a mapping)")
        if content.get("format") != FORMAT:
            found = content.get("format")
            raise UsageError(f"{self._description}: has format {found}; this seqlab reads {FORMAT}")
        return content

    def synced_sizes(self) -> dict[str, int]:
        """Force the records to disk and return how long they are."""
        sizes = {}
        for file in (self.metrics, self.samples):
            with file.open("ab") as rows:
                os.fsync(rows.fileno())
                sizes[file.name] = rows.tell()
        return sizes

    def cut_back(self, sizes: Mapping[str, int]) -> None:
        """Drop the rows that came after a checkpoint, by the sizes that it remembers.

        Raises:
            CheckpointError: rows that it remembers are gone; nothing is changed then.
        """
        files = {self.path / Path(name).name: size for name, size in sizes.items()}
        for file, size in files.items():
            if not file.exists() or file.stat().st_size < size:
                raise CheckpointError(f"{file}: rows are gone that the checkpoint remembers")
        for file, size in files.items():
            os.truncate(file, size)

    def rows(self, file: Path) -> list[dict[str, Any]]:
        """Read lines of JSON.

        Raises:
            UsageError: they cannot be read, or one is not JSON.
        """
        try:
            return [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        except OSError as error:
            raise UsageError(f"{file}: cannot be read ({error.strerror})") from None
        except ValueError:
            raise UsageError(f"{file}: has a line that is not JSON") from None

    def append(self, file: Path, row: Mapping[str, Any]) -> None:
        """Add one line of JSON, at once on disk as far as the system is concerned.

        What is no finite number becomes null: JSON has no other word for it.
        """
        plain = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in row.items()
        }
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(plain, ensure_ascii=False, allow_nan=False) + "\n")


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
        with whole_folder(path) as temporary:
            (temporary / "checkpoints").mkdir()
            yield RunFolder(temporary)
    except OSError as error:
        raise RunFailed(f"{path}: cannot be made or written ({error.strerror})") from None


def _safe(name: str) -> str:
    """A name of a folder that stays where it is put."""
    return re.sub(r"[^\w.-]", "_", name).lstrip(".") or "experiment"


def all_runs(root: Path = ROOT) -> list[RunFolder]:
    """Every run under a root, the oldest first."""
    files = [*root.glob("*/run.json"), *root.glob("*/*/run.json")]
    return sorted((RunFolder(file.parent) for file in files), key=_made_at)


def _made_at(run: RunFolder) -> float:
    """When the run began: its experiment is written once."""
    try:
        return run.experiment.stat().st_mtime
    except OSError:
        return 0.0


def find_run(run: str | Path, root: Path = ROOT) -> RunFolder:
    """Find a run: a folder, a name (its latest run), the beginning of an id, or `latest`.

    Raises:
        UsageError: nothing matches, or an id's beginning matches several.
    """
    word, runs = str(run), all_runs(root)
    with suppress(OSError):
        if (Path(run) / "run.json").is_file():
            return RunFolder(Path(run))
        if os.sep in word and Path(run).is_dir():
            raise UsageError(f"{run}: is a folder, but no run (it has no run.json)")
    if word == "latest" and runs:
        return runs[-1]
    named = [found for found in runs if found.name == word]
    if named:
        return named[-1]
    begun = [f for f in runs if _id_begins(f.path.name, word)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        ids = ", ".join(found.path.name for found in begun[:5])
        raise UsageError(f"run '{word}': several ids begin so: {ids}")
    raise UsageError(
        f"run '{word}': there is no such folder, name or id under {root}/ (`seqlab runs` lists"
        " what there is)"
    )


def _id_begins(folder_name: str, word: str) -> bool:
    """An id is the whole folder name, or its short part behind the time."""
    return bool(word) and (
        folder_name.startswith(word) or folder_name.rpartition("-")[2].startswith(word)
    )
