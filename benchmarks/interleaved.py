"""Rounds of steps that take turns, on one machine whose speed drifts, and how they are written.

A peer has a process of its own: seqlab's training sets the allocator for the whole process, from
which a loop beside it would profit as well.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import torch

Step = Callable[[], object]
Round = Callable[[], float]  # milliseconds a step
Row = tuple[str, str, str, str]
STEPS = 5  # in a round

_kept: list[Step] = []  # of a peer's process


def here(step: Step) -> Round:
    """Return what times a round of a step in this process."""
    return lambda: timed(step)


def elsewhere(make: Callable[[], Step]) -> Round:
    """Return what times a round of a step that a process of its own makes and keeps."""
    pool = ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), initializer=_keep, initargs=(make,)
    )
    return lambda: pool.submit(_timed_there).result()


def interleave(measures: Sequence[Round], rounds: int) -> list[list[float]]:
    """Milliseconds a step of each, round by round, after one round that does not count."""
    times: list[list[float]] = [[] for _ in measures]
    for _ in range(rounds + 1):
        for measure, into in zip(measures, times, strict=True):
            into.append(measure())
    return [each[1:] for each in times]


def timed(step: Step, count: int = STEPS) -> float:
    """Milliseconds a step, after one that does not count: caches are then its own."""
    step()
    wait()
    begun = time.perf_counter()
    for _ in range(count):
        step()
    wait()
    return 1e3 * (time.perf_counter() - begun) / count


def wait() -> None:
    """Until a GPU has done what it was given; where none is in use there is nothing to wait for."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call] # torch's own
        torch.cuda.synchronize()


def against(name: str, ours: Round, other: str, peer: Round, rounds: int) -> Row:
    """The row of a table that compares two."""
    mine, theirs = interleave([ours, peer], rounds)
    return name, summary(mine), f"{other}, {summary(theirs)}", f"{ratio(mine, theirs)} ×"


def ratio(mine: list[float], theirs: list[float]) -> str:
    """The ratios of rounds that followed each other."""
    return summary([one / other for one, other in zip(mine, theirs, strict=True)])


def summary(values: Sequence[float], digits: int = 2) -> str:
    """The median with the smallest and the largest."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} – {high:,.{digits}f})"


def _keep(make: Callable[[], Step]) -> None:
    _kept.append(make())


def _timed_there() -> float:
    return timed(_kept[0])
