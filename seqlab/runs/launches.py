"""The run that a launch has begun, so that its next attempt goes on with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqlab.distributed.launched import Launched
from seqlab.errors import SeqlabError, UsageError
from seqlab.remedies import Argument
from seqlab.runs.folder import RunFolder
from seqlab.runs.lookup import all_runs

NAMELESS = "none"
"""The id of a launch by torchrun that was not given one."""


def description_of_launch(here: Launched | None) -> dict[str, Any]:
    """Return what `run.json` says of the processes of a run, if it was launched."""
    if here is None:
        return {}
    return {"launch": {"id": here.id, "attempt": here.attempt, "processes": here.size}}


def check_launch(here: Launched | None, run_dir: Path | None) -> None:
    """Raise UsageError where a later attempt could not find the run."""
    if here is not None and here.id == NAMELESS and run_dir is None:
        raise UsageError(
            f"torchrun gave the processes no id, by which a restart would find the run: give"
            f" {Argument('run_dir')}, or torchrun --rdzv-id NAME"
        )


def run_of_launch(here: Launched, run_dir: Path | None, root: Path) -> RunFolder | None:
    """Return the run that an earlier attempt of this launch has begun; None: there is none."""
    if here.is_new:
        return None
    folders = all_runs(root) if run_dir is None else [RunFolder(run_dir)]
    return next((folder for folder in reversed(folders) if _id_of(folder) == here.id), None)


def was_ended_by(here: Launched | None, description: Mapping[str, Any]) -> bool:
    """Whether an earlier attempt of this launch has ended the run, and was killed after that."""
    if here is None or here.is_new or description["status"] not in ("finished", "stopped"):
        return False
    return bool(description.get("launch", {}).get("id") == here.id)


def _id_of(folder: RunFolder) -> str | None:
    try:
        launch: dict[str, Any] = folder.description().get("launch", {})
    except SeqlabError:  # damaged, or not a run
        return None
    return launch.get("id")
