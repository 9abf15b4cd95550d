"""Two sweeps on one PostgreSQL, started together."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.sweeps.postgresql import database, programs
from benchmarks.sweeps.small import start, status, write_sweep

TRIALS = 16
VARIABLE = "SWEEP_STORAGE"


def check(share: float) -> list[tuple[str, str, bool]]:
    """They share the total, and no trial is run by both."""
    claim = "two `seqlab sweep` on one PostgreSQL, started together, share the total"
    if programs() is None:
        return [(claim, "PostgreSQL is not installed", False)]
    trials = max(4, round(TRIALS * share))
    with tempfile.TemporaryDirectory() as name, database() as url:
        folder = Path(name)
        write_sweep(folder, trials=trials, storage={"environment": VARIABLE})
        environment = {**os.environ, VARIABLE: url}
        sweeps = [start(folder, environment=environment) for _ in range(2)]
        said = [process.communicate(timeout=3600)[0] for process in sweeps]
        counts = status(folder)["counts"]
    ran = [sum(line.startswith("trial ") for line in text.splitlines()) for text in said]
    holds = sum(ran) == trials and counts == {"finished": trials} and min(ran) > 0
    return [(claim, f"{ran[0]} + {ran[1]} = {trials} trials, {counts}", holds)]
