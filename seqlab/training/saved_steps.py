"""The names of checkpoints, without what reads them: a folder for each step."""

from __future__ import annotations

import re
from pathlib import Path

from seqlab.errors import CheckpointError
from seqlab.files import entries

STEP = re.compile(r"step-([0-9]{8,})")


def checkpoint_path(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}"


def is_name(folder_name: str) -> bool:
    """Whether a folder is named as a checkpoint is."""
    return bool(STEP.fullmatch(folder_name))


def steps_saved(folder: Path) -> list[int]:
    """Return the steps of the checkpoints in `folder`, in order."""
    try:
        names = [path.name for path in entries(folder)]
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(f"{folder}: its checkpoints cannot be read ({reason})") from None
    steps = {int(match[1]): name for name in names if (match := STEP.fullmatch(name))}
    return sorted(step for step in steps if checkpoint_path(folder, step).name == steps[step])
