"""SIGKILL of trials and of the sweep itself; then every trial is what it is when run alone."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import torch

import seqlab
from benchmarks.sweeps.small import differs_from_alone, start, status, workers_of, write_sweep

TRIALS, KILLS, PARALLEL = 60, 10, 4
LONGEST = 1.5  # seconds after a trial has ended, at most, until a kill: of trials of a few seconds


def check(share: float) -> list[tuple[str, str, bool]]:
    """Kill a sweep again and again; return what was claimed, what came of it, whether it holds."""
    trials, kills = max(8, round(TRIALS * share)), max(2, round(KILLS * share))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sweep(folder, trials=trials, parallel=PARALLEL, prune="median", seed=1)
        began = time.monotonic()
        killed = kill_often(folder, trials, kills, random.Random(0))  # noqa: S311
        seconds = time.monotonic() - began
        told = status(folder)
        numbers = sorted(row["trial"] for row in told["trials"])
        counts, wrong = told["counts"], _not_as_alone(folder)
        resumed = sum("resumed" in _description(row["runs"][0], folder) for row in told["trials"])
    whole = numbers == list(range(trials)) and sum(counts.values()) == trials
    ended = set(counts) <= {"finished", "pruned", "failed"}
    words = ", ".join(f"{count} {state}" for state, count in counts.items())
    claim = f"{trials} trials, {PARALLEL} at once, {killed[0]} SIGKILLs of workers, {killed[1]} of"
    return [
        (
            f"{claim} the sweep: all have ended, none lost, none twice",
            f"{words}; {resumed} were resumed; {seconds:.0f} s",
            whole and ended and not counts.get("failed") and sum(killed) == kills,
        ),
        (
            "each is equal to the bit to `seqlab run` of its resolved.yaml, a pruned one up to its"
            " end",
            f"{trials - len(wrong)} of {trials}" + "".join(f"; {line}" for line in wrong[:3]),
            not wrong,
        ),
    ]


def _wait_for(folder: Path, ended: int, process: subprocess.Popen[str]) -> None:
    """Wait until so many trials have ended, and one is running."""
    while process.poll() is None:
        texts = [file.read_text("utf-8") for file in folder.glob("runs/small/trial-*/run.json")]
        states = [json.loads(text)["status"] for text in texts]
        if len(states) - states.count("running") >= ended and "running" in states:
            return
        time.sleep(0.2)


def kill_often(folder: Path, trials: int, kills: int, chance: random.Random) -> tuple[int, int]:
    """Run a sweep to its end, with so many kills; return how many of workers, and of sweeps."""
    process = start(folder)
    of_workers = of_sweeps = 0
    while (killed := of_workers + of_sweeps) < kills:
        _wait_for(folder, killed * trials // kills, process)
        time.sleep(chance.uniform(0, LONGEST))
        if process.poll() is not None:
            break
        workers = workers_of(process)
        if not workers or chance.random() < 0.3:
            process.kill()
            process.communicate()
            of_sweeps += 1
            process = start(folder)
        else:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(workers), signal.SIGKILL)
                of_workers += 1
    _finish(process)
    return of_workers, of_sweeps


def _finish(process: subprocess.Popen[str]) -> None:
    out, _ = process.communicate(timeout=3600)
    assert process.returncode == 0, out


def _not_as_alone(folder: Path) -> list[str]:
    torch.set_num_threads(1)
    registry = seqlab.load_plugins(local=False)
    wrong = []
    for run in sorted((folder / "runs" / "small").glob("trial-*")):
        different = differs_from_alone(run, registry, folder / "alone" / run.name)
        if different:
            wrong.append(f"{run.name}: {', '.join(different[:2])}")
    return wrong


def _description(run: str, folder: Path) -> dict[str, object]:
    return seqlab.open_run(folder / run).description
