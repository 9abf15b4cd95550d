"""What a trial costs beyond its call of `seqlab.run()`, in a process that is warm."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import seqlab
from benchmarks.reliability.small import quietly
from benchmarks.sweeps.small import write_sweep
from seqlab.sweeps.conducting import job_of, prepare
from seqlab.sweeps.reading import read_sweep
from seqlab.sweeps.running import Runner
from seqlab.sweeps.study import Study
from seqlab.sweeps.working import Worker

TRIALS = 30
BAR = 0.2  # seconds


@dataclass
class Timer:
    """Adds up the seconds of calls."""

    seconds: list[float] = field(default_factory=list)

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds.append(time.perf_counter() - begun)

        return call


def check(share: float) -> list[tuple[str, str, bool]]:
    """Of each trial: all of its time, less that of the run, plus that of reports inside of it."""
    torch.set_num_threads(1)
    trials = max(5, round(TRIALS * share))
    with tempfile.TemporaryDirectory() as name, chdir(name), quietly():
        more = _beyond(Path(name), trials)
    median, worst = statistics.median(more), max(more)
    words = f"median {median:.3f} s, least {min(more):.3f}, most {worst:.3f} of {trials} trials"
    return [(f"a trial costs at most {BAR} s more than its `seqlab.run()`", words, median <= BAR)]


def _beyond(folder: Path, trials: int) -> list[float]:
    """Seconds of each trial that are not those of its run."""
    file = write_sweep(folder, trials=trials + 1, prune="median", train={"epochs": 2})
    registry = seqlab.load_plugins(local=False)
    plan = read_sweep(file, registry)
    place = prepare(plan, Path("runs"))
    job, more = job_of(plan, place, registry), []
    with Study(plan, place) as study:
        runs, reports = Timer(), Timer()
        runner = Runner(job, registry)
        object.__setattr__(runner, "begin", runs.timed(runner.begin))
        study.report = reports.timed(study.report)  # type: ignore[method-assign]
        worker = Worker(job, place, study, runner)
        for _ in range(trials + 1):
            runs.seconds.clear()
            reports.seconds.clear()
            begun = time.perf_counter()
            worker.takes_one(lambda what, of_what: None)
            whole = time.perf_counter() - begun
            more.append(whole - sum(runs.seconds) + sum(reports.seconds))
    return more[1:]  # the first one compiles
