"""Runs among which damaged ones are left out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from seqlab.errors import SeqlabError
from seqlab.runs.folder import RunFolder
from seqlab.runs.loaded_run import Run, open_run
from seqlab.runs.settings import run_settings

log = logging.getLogger(__name__)


def comparable_runs(folders: Sequence[RunFolder]) -> list[Run]:
    """Open the runs whose settings and rows can be read, and log why others are left out.

    Raises:
        SeqlabError: none of them can be read.
    """
    return intact_runs(folders, _read_everything)


def intact_runs(folders: Sequence[RunFolder], read: Callable[[Run], object] = bool) -> list[Run]:
    """Open runs, `read` each, and log why others are left out.

    Raises:
        SeqlabError: none of them can be read.
    """
    runs: list[Run] = []
    errors: list[SeqlabError] = []
    for folder in folders:
        try:
            read(run := open_run(folder.path))
            runs.append(run)
        except SeqlabError as error:
            errors.append(error)
    if errors and not runs:
        raise errors[0]
    for damage in errors:
        log.warning("%s; the run is left out", damage)
    return runs


def _read_everything(run: Run) -> None:
    run_settings(run.folder, run.description)
    run.metrics  # noqa: B018 # they are read
