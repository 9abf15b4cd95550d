"""Small sweeps, whose trials run in the process of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seqlab.experiment.yaml12 import dump_yaml
from seqlab.sweeps.conducting import job_of, prepare
from seqlab.sweeps.reading import read_sweep
from seqlab.sweeps.results import SweepResults
from seqlab.sweeps.running import Runner
from seqlab.sweeps.study import Study
from seqlab.sweeps.working import Worker, work_with

SPACE = {"optimizer.lr": {"log_range": [1e-3, 1e-1]}}


@pytest.fixture
def write(tiny: dict[str, Any]) -> Callable[..., Path]:
    """Write a sweep around the tiny experiment, and the experiment; return the sweep's file."""

    def write(space: dict[str, Any] | None = None, name: str = "it", **keys: Any) -> Path:
        corpus = tiny["corpus"] | {"holdout": 0.2, "max_characters": 800}
        train = {"epochs": 2, "threads": 1, "checkpoint": {"every": 4}}
        base = tiny | {"corpus": corpus, "train": train, "evaluation": {"every": "1 epoch"}}
        Path("base.yaml").write_text(dump_yaml(base), "utf-8")
        text = dump_yaml({"extends": "base.yaml", "space": SPACE if space is None else space})
        file = Path(f"{name}.yaml")
        file.write_text(text + (dump_yaml(keys) if keys else ""), "utf-8")
        return file

    return write


@pytest.fixture
def worker(registry) -> Iterator[Callable[..., Worker]]:
    """Prepare the sweep of a file; return a worker in this process."""
    opened: list[Study] = []

    def worker(file: Path, **changes: Any) -> Worker:
        plan = read_sweep(file, registry, changes)
        folder = prepare(plan, Path("runs"))
        job = job_of(plan, folder, registry)
        opened.append(Study(plan, folder))
        return Worker(job, folder, opened[-1], Runner(job, registry))

    yield worker
    for study in opened:
        study.close()


@pytest.fixture
def run(worker) -> Callable[..., SweepResults]:
    """Run the sweep of a file to its end."""

    def run(file: Path, **changes: Any) -> SweepResults:
        one = worker(file, **changes)
        work_with(one, lambda what, of_what: None)
        return SweepResults.read(one.folder)

    return run
