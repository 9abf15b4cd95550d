"""The journal of a study, deleted while its sweep runs."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.sweeps.small import start, status, write_sweep

TRIALS = 24


def check(share: float) -> list[tuple[str, str, bool]]:
    """Delete the journal in the middle; the best of all folders is the best of the study."""
    trials = max(6, round(TRIALS * share))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sweep(folder, trials=trials, parallel=2, prune="median", seed=2)
        process = start(folder)
        ended = _wait_for(folder, trials // 2, process)
        journal = folder / "runs/small/journal.log"
        journal.unlink()
        out, _ = process.communicate(timeout=3600)
        told = status(folder)
        kept = journal.is_file()
        best = _best_of_folders(folder)
    words = (
        f"deleted after {ended} of {trials}; best is trial {told['best']}, of the folders {best}"
    )
    holds = process.returncode == 0 and kept and told["best"] == best
    holds &= sum(told["counts"].get(state, 0) for state in ("finished", "pruned")) == trials
    assert process.returncode == 0, out
    return [("the journal deleted in the middle: made again, the best trial is the same",
             words, holds)]  # fmt: skip


def _wait_for(folder: Path, ended: int, process: subprocess.Popen[str]) -> int:
    while process.poll() is None:
        statuses = [json.loads(file.read_text())["status"] for file in _files(folder)]
        done = len(statuses) - statuses.count("running")
        if done >= ended:
            return done
        time.sleep(0.1)
    return 0


def _best_of_folders(folder: Path) -> int:
    losses = {
        int(file.parent.name.removeprefix("trial-")): described["best"]["loss"]
        for file in _files(folder)
        if (described := json.loads(file.read_text()))["status"] == "finished"
    }
    return min(losses, key=lambda number: losses[number])


def _files(folder: Path) -> list[Path]:
    return list(folder.glob("runs/small/trial-*/run.json"))
