"""What a worker is given, wherever it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqlab.sweeps.hosts import Reach
from seqlab.sweeps.sweep import Sweep


@dataclass(frozen=True)
class Job:
    """What a worker is given.

    Args:
        sweep: whose trials it runs.
        folder: of the sweep.
        plugins: the folder of dropped-in plugins; None: the default.
        local: whether these are loaded.
        without: plugins that are left out.
        threads: of each run, unless the experiment says it; None: as torch decides.
        reach: how far locks reach.
    """

    sweep: Sweep
    folder: Path
    plugins: str | None = None
    local: bool = True
    without: Sequence[str] = ()
    threads: int | None = None
    reach: Reach = "hosts"
