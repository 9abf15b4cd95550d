"""What a trial costs beyond a call of `seqlab.run()` in a process that is warm."""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import chdir
from pathlib import Path

import torch

import seqlab
from benchmarks.reliability.small import quietly
from benchmarks.sweeps.small import write_sweep
from seqlab.sweeps.conducting import job_of, prepare
from seqlab.sweeps.folder import status_of
from seqlab.sweeps.reading import read_sweep
from seqlab.sweeps.running import Runner
from seqlab.sweeps.study import Study
from seqlab.sweeps.working import Worker

TRIALS = 30
BAR = 0.2  # seconds


def check(share: float) -> list[tuple[str, str, bool]]:
    """Alternate a trial of a worker with the same experiment run by itself."""
    torch.set_num_threads(1)
    trials = max(5, round(TRIALS * share))
    with tempfile.TemporaryDirectory() as name, chdir(name), quietly():
        more = _alternating(Path(name), trials)
    median, worst = statistics.median(more), max(more)
    words = f"median {median:.3f} s, least {min(more):.3f}, most {worst:.3f} of {len(more)} pairs"
    return [
        (f"a trial costs at most {BAR} s more than a warm `seqlab.run()`", words, median <= BAR)
    ]


def _alternating(folder: Path, trials: int) -> list[float]:
    """Seconds by which each trial took longer than the run alone."""
    space = {"train.seed": {"integers": [0, 10**6]}}
    train = {"epochs": 2}
    file = write_sweep(folder, trials=trials + 1, prune="median", search="random",
                       space=space, train=train, observers=[])  # fmt: skip
    registry = seqlab.load_plugins(local=False)
    plan = read_sweep(file, registry)
    place = prepare(plan, Path("runs"))
    job, more = job_of(plan, place, registry), []
    with Study(plan, place) as study:
        worker = Worker(job, place, study, Runner(job, registry))
        for number in range(trials + 1):
            begun = time.perf_counter()
            worker.takes_one(lambda what, of_what: None)
            between = time.perf_counter()
            trial = place.run_of(number, 0, 1)
            if status_of(trial) == "pruned":  # it has fewer steps
                continue
            seqlab.run(trial.resolved, run_dir=Path("alone", str(number)), registry=registry)
            more.append((between - begun) - (time.perf_counter() - between))
    return more[1:]  # the first one compiles
