"""Processes that are killed or stopped: the run goes on, or all others end and say why."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.distributed.launches import (
    BAR,
    Launch,
    experiment,
    run,
    seqlab,
    start,
    wait_for_step,
)
from benchmarks.reliability.equality import differences, litter
from benchmarks.reliability.outcome import Outcome, chance_of

WORLD = 4
KILLS, QUICK_KILLS = 30, 2
KILLS_OF_A_RUN = 5
STEPS = 150  # some seconds, beside which those of the start are not all
FOREVER = 100_000  # steps


@dataclass
class Tally:
    """What has happened so far; `where` counts what a kill fell into."""

    kills: int = 0
    runs: int = 0
    where: dict[str, int] = field(default_factory=lambda: {"starting": 0, "training": 0})
    missed: list[str] = field(default_factory=list)


def kills(quick: bool) -> Outcome:
    """Kill ranks of runs with `--max-restarts`; compare with a run that nobody disturbed."""
    goal, chance, tally = QUICK_KILLS if quick else KILLS, chance_of(0), Tally()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        file = experiment(folder, "gru", steps=STEPS, checkpoint={"every": 10})
        begun = time.monotonic()
        run(["run", file, "--run-dir", folder / "whole", "--workers", WORLD], folder / "log.txt")
        seconds = time.monotonic() - begun
        while tally.kills < goal:
            most = min(KILLS_OF_A_RUN, goal - tally.kills)
            _disturbed(folder, file, most, seconds, chance, tally)
    return Outcome(
        f"SIGKILL of random ranks of {WORLD} at random moments, `--max-restarts`",
        f"{tally.kills} kills ({tally.where['starting']} before the first checkpoint) in"
        f" {tally.runs} runs, which all recovered, with equal bits at their end",
        tally.missed,
    )


def _disturbed(
    folder: Path, file: Path, most: int, seconds: float, chance: random.Random, tally: Tally
) -> None:
    """Start a run, kill ranks of it up to so many times, and let it finish."""
    tally.runs += 1
    place = folder / f"killed-{tally.runs}"
    options = ["--workers", WORLD, "--max-restarts", most, "--run-dir", place]
    with _ended(start(seqlab("run", file, *options), folder / f"{place.name}.txt")) as launch:
        for _ in range(most):
            before = set(launch.ranks().values())
            if not _kill_one(launch, chance.uniform(0, seconds), chance):
                break
            tally.kills += 1
            tally.where["training" if any(place.glob("checkpoints/*")) else "starting"] += 1
            _wait_for_others(launch, before | set(launch.ranks().values()))
        if code := launch.wait():
            tally.missed.append(f"run {tally.runs}: exit code {code}: {launch.output[-300:]}")
            return
    found = [*differences(folder / "whole", place), *litter(place)]
    tally.missed += [f"run {tally.runs}: {line}" for line in found]


def _kill_one(launch: Launch, delay: float, chance: random.Random) -> bool:
    """Kill a random rank after a delay; return whether there was one."""
    time.sleep(delay)
    while launch.process.poll() is None:
        ranks = launch.ranks()
        if len(ranks) == WORLD:
            os.kill(ranks[chance.randrange(WORLD)], signal.SIGKILL)
            return True
        time.sleep(0.05)
    return False


def _wait_for_others(launch: Launch, before: set[int]) -> None:
    """Wait until all processes of an attempt have ended."""
    while launch.process.poll() is None and before & set(launch.processes()):
        time.sleep(0.05)


def stopped(quick: bool) -> Outcome:
    """Stop each rank in turn: the others and it have to end, and the message has to name it."""
    ranks = (1,) if quick else range(WORLD)
    missed, longest = [], 0.0
    for rank in ranks:
        with _training() as launch:
            os.kill(launch.ranks()[rank], signal.SIGSTOP)
            seconds = launch.seconds_until_ended(2 * BAR)
            longest = max(longest, seconds or 2 * BAR)
            missed += _late(f"rank {rank}", seconds)
            if f"rank {rank}" not in launch.output:
                missed.append(f"rank {rank} is not named: {launch.output[-300:]}")
            if code := launch.process.wait(BAR) - 1:
                missed.append(f"rank {rank}: exit code {code + 1}, not 1")
    named = ", ".join(map(str, ranks))
    return Outcome(
        f"SIGSTOP of a rank ({named} of {WORLD})",
        f"all processes ended after {longest:.0f} s at most (bar: {BAR:.0f} s), exit code 1, and"
        " the message names the rank",
        missed,
    )


def launcher_killed(quick: bool) -> Outcome:
    """Kill the launcher: no process may be left."""
    repeats = 1 if quick else 5
    missed, longest = [], 0.0
    for number in range(repeats):
        with _training() as launch:
            launch.process.send_signal(signal.SIGKILL)
            seconds = launch.seconds_until_ended(2 * BAR)
            longest = max(longest, seconds or 2 * BAR)
            missed += _late(f"kill {number}", seconds)
    return Outcome(
        f"SIGKILL of the launcher ({repeats} times)",
        f"no process left after {longest:.1f} s (bar: {BAR:.0f} s)",
        missed,
    )


def _late(what: str, seconds: float | None) -> list[str]:
    if seconds is None:
        return [f"{what}: processes are left after {2 * BAR:.0f} s"]
    return [f"{what}: {seconds:.0f} s until all had ended"] * (seconds > BAR)


@contextmanager
def _training() -> Iterator[Launch]:
    """Give a run without end that has its first checkpoint."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        file = experiment(folder, "gru", steps=FOREVER, checkpoint={"every": 10, "keep": 1})
        options = ["--workers", WORLD, "--run-dir", folder / "run"]
        with _ended(start(seqlab("run", file, *options), folder / "log.txt")) as launch:
            wait_for_step(launch, folder / "run")
            yield launch


@contextmanager
def _ended(launch: Launch) -> Iterator[Launch]:
    """Leave no process behind, whatever happens inside the block."""
    try:
        yield launch
    finally:
        launch.kill()
