"""What a sweep adds to a run that it makes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqlab.atomic import write_synced
from seqlab.records import Stop

PRUNED = "pruned"
"""The status of a run that a sweep ended early, as others were better by then."""


@dataclass(frozen=True)
class Pruned(Stop):
    """What ends a run as `pruned`: a checkpoint is saved, and no row is added for its end."""


@dataclass(frozen=True)
class Trial:
    """The trial that a run belongs to.

    Args:
        record: the content of `trial.json`, which is in the run folder from its beginning.
        watcher: an observer that the sweep adds, which may return `Pruned`; None: there is none.
    """

    record: Mapping[str, Any]
    watcher: Any

    @property
    def file(self) -> bytes:
        """The bytes of `trial.json`."""
        return (json.dumps(self.record, ensure_ascii=False, indent=2) + "\n").encode()


def keep_trial(file: Path, trial: Trial | None) -> None:
    """Write `trial.json`, if there is a trial."""
    if trial is not None:
        write_synced(file, trial.file)
