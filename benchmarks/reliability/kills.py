"""SIGKILL at random moments, until each run is finished: then it is the one that nobody killed."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import seqlab
from benchmarks.reliability.children import ending, fork
from benchmarks.reliability.equality import differences, litter
from benchmarks.reliability.file_operations import WRITING, FileOperations, kill
from benchmarks.reliability.outcome import Outcome, chance_of, scaled
from benchmarks.reliability.small import quietly, small_experiment

KILLS = 1000
EVERYTHING = (*WRITING, "remove")
KINDS: list[dict[str, Any]] = [
    {"train": {"steps": 24, "accumulate": 2, "checkpoint": {"every": 1}}},
    {
        "cell": {"name": "lstm"},
        "sampler": {"name": "random", "partial": "keep"},
        "optimizer": {"name": "muon"},
        "train": {"steps": 24, "average": 0.9, "checkpoint": {"every": 2, "keep": 1}},
    },
    {
        "cell": {"name": "rnn"},
        "optimizer": {"name": "sgd", "momentum": 0.9},
        "train": {"steps": 30, "precision": "bfloat16", "checkpoint": {"every": 3}},
    },
]


@dataclass
class Kind:
    """One experiment, the run of it that nobody killed, and how much there is to interrupt."""

    experiment: dict[str, Any]
    whole: Path
    seconds: float
    operations: int


@dataclass
class Tally:
    """What has happened so far."""

    kills: int = 0
    where: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)


def check(share: float) -> Outcome:
    torch.set_num_threads(1)
    goal, chance, tally = scaled(KILLS, share), chance_of(0), Tally()
    registry = seqlab.load_plugins(local=False)
    some = KINDS[: scaled(len(KINDS), 30 * share)]  # each takes a while before the first kill
    with tempfile.TemporaryDirectory() as folder:
        kinds = [_whole(Path(folder), i, kind, registry) for i, kind in enumerate(some)]
        number = 0
        while tally.kills < goal:  # the last run is finished too, so there may be some more
            place = Path(folder, "killed", str(number), "run")
            place.parent.mkdir(parents=True)
            _until_finished(place, kinds[number % len(kinds)], registry, chance, tally)
            number += 1
    return Outcome(
        "SIGKILL at random moments and at random operations on files, then resume, until the run is"
        " finished",
        f"{tally.kills:,} kills ({tally.where['save']:,} inside a save, {tally.where['start']:,}"
        f" before the first checkpoint) in {number:,} runs; finished, equal to the bit and without"
        f" litter: {number - len({line.partition(':')[0] for line in tally.missed}):,}",
        tally.missed,
    )


def _whole(folder: Path, index: int, sections: dict[str, Any], registry: seqlab.Registry) -> Kind:
    """Run an experiment undisturbed; it also imports what would else be imported by every child."""
    place = folder / f"kind-{index}"
    place.mkdir()
    experiment = small_experiment(place, **sections)
    begun = time.monotonic()
    with FileOperations(kinds=EVERYTHING) as operations, quietly():
        _start(experiment, place / "run", registry)
    return Kind(experiment, place / "run", time.monotonic() - begun, operations.count)


def _start(experiment: dict[str, Any], place: Path, registry: seqlab.Registry) -> None:
    """Begin the run, or go on with it where there is one: what a batch system would do."""
    if (place / "run.json").exists():
        seqlab.resume(place, registry=registry)
    else:
        seqlab.run(experiment, run_dir=place, registry=registry)


def _until_finished(
    place: Path, kind: Kind, registry: seqlab.Registry, chance: random.Random, tally: Tally
) -> None:
    for end in _attempts(place, kind, registry, chance):
        if end == -signal.SIGKILL:
            tally.kills += 1
            tally.where[_where(place)] += 1
        elif end != 0:
            output = (place.parent / "output").read_text("utf-8").strip().splitlines()
            tally.missed.append(f"run {place.parent.name}: cannot go on: {output[-1]}")
            return
    found = [*differences(kind.whole, place), *litter(place.parent)]
    tally.missed += [f"run {place.parent.name}: {one}" for one in found]


def _attempts(
    place: Path, kind: Kind, registry: seqlab.Registry, chance: random.Random
) -> Iterator[int]:
    """Start and kill until nothing is left to do; yield how each attempt ended."""
    while not _is_finished(place):
        if chance.random() < 0.5:
            yield _killed_at_an_operation(place, kind, registry, chance)
        else:
            yield _killed_at_a_moment(place, kind, registry, chance)


def _killed_at_a_moment(
    place: Path, kind: Kind, registry: seqlab.Registry, chance: random.Random
) -> int:
    delay = chance.uniform(0, kind.seconds)
    pid = fork(lambda: _start(kind.experiment, place, registry), place.parent / "output")
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    return ending(pid)


def _killed_at_an_operation(
    place: Path, kind: Kind, registry: seqlab.Registry, chance: random.Random
) -> int:
    at = chance.randint(1, kind.operations)

    def work() -> None:
        with FileOperations(kill, at, kinds=EVERYTHING):
            _start(kind.experiment, place, registry)

    return ending(fork(work, place.parent / "output"))


def _is_finished(place: Path) -> bool:
    return (place / "run.json").exists() and (
        seqlab.open_run(place).description["status"] == "finished"
    )


def _where(place: Path) -> str:
    """Where the last kill fell, by what it left."""
    checkpoints = place / "checkpoints"
    if any(checkpoints.glob(".step-*")):
        return "save"
    return "later" if any(checkpoints.glob("step-*")) else "start"
