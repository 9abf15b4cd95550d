"""Find runs by folder, name, beginning of an id, or `latest`."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from seqlab.arguments import named_path
from seqlab.errors import UsageError
from seqlab.runs.folder import ROOT, RunFolder


def all_runs(root: Path = ROOT) -> list[RunFolder]:
    """Return every run under a root, the oldest first."""
    files = [*root.glob("*/run.json"), *root.glob("*/*/run.json")]
    return sorted((RunFolder(file.parent) for file in files), key=_start_time)


def _start_time(run: RunFolder) -> float:
    """Return the time of `experiment.yaml`, which is written once."""
    try:
        return run.experiment.lstat().st_mtime
    except OSError:
        return 0.0


def find_run(run: str | Path, root: Path = ROOT) -> RunFolder:
    """Find a run: a folder, a name (its latest run), the beginning of an id, or `latest`.

    Raises:
        UsageError: nothing matches, or an id's beginning matches several.
    """
    name, runs = str(named_path(run, "RUN")), all_runs(root)
    with suppress(OSError):
        if (Path(run) / "run.json").is_file():
            return RunFolder(Path(run))
        if os.sep in name and Path(run).is_dir():
            raise UsageError(f"{run}: is a folder, but not a run (it has no run.json)")
    if name == "latest" and runs:
        return runs[-1]
    if named := [folder for folder in runs if folder.name == name]:
        return named[-1]
    matches = [folder for folder in runs if name and _id_begins(folder.path.name, name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(folder.path.name for folder in matches[:5])
        raise UsageError(f"run '{name}': the ids of several runs begin with it: {ids}")
    from seqlab.registry.option_values import suggest_close  # only here, as it takes long to import

    meant = suggest_close(name, {"latest", *(folder.name for folder in runs)} if runs else ())
    raise UsageError(
        f"run '{name}': there is no such folder, name or id under {root}/ (`seqlab runs` lists"
        f" all){meant}"
    )


def _id_begins(folder_name: str, beginning: str) -> bool:
    """Compare with the whole name of the folder, and with its part after the time."""
    return any(id_.startswith(beginning) for id_ in (folder_name, folder_name.rpartition("-")[2]))
