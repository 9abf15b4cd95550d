"""Which run is meant by a folder, a name, the beginning of an id, or `latest`."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from seqlab.arguments import named_path
from seqlab.errors import UsageError
from seqlab.runs.folder import ROOT, RunFolder


def all_runs(root: Path = ROOT) -> list[RunFolder]:
    """Every run under a root, the oldest first."""
    files = [*root.glob("*/run.json"), *root.glob("*/*/run.json")]
    return sorted((RunFolder(file.parent) for file in files), key=_made_at)


def _made_at(run: RunFolder) -> float:
    """When the run began: its experiment is written once."""
    try:
        return run.experiment.lstat().st_mtime
    except OSError:
        return 0.0


def find_run(run: str | Path, root: Path = ROOT) -> RunFolder:
    """Find a run: a folder, a name (its latest run), the beginning of an id, or `latest`.

    Raises:
        UsageError: nothing matches, or an id's beginning matches several.
    """
    word, runs = str(named_path(run, "RUN")), all_runs(root)
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
