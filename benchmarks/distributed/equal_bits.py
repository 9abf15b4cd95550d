"""The same run on other numbers of processes: the same bits."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.distributed.launches import experiment, run
from benchmarks.reliability.equality import differences
from benchmarks.reliability.outcome import Outcome

CELLS = ("lstm", "gru", "gated_linear_attention", "causal_attention")
WORLDS = (1, 2, 4)
STEPS, QUICK_STEPS = 100, 10


def worlds(quick: bool) -> Outcome:
    """Run each cell on 1, 2 and 4 processes."""
    cells, steps = (CELLS[:1], QUICK_STEPS) if quick else (CELLS, STEPS)
    with tempfile.TemporaryDirectory() as folder:
        missed = [line for cell in cells for line in _of_cell(Path(folder), cell, steps)]
    return Outcome(
        f"`shards: 4` on {_words(WORLDS)} processes of one thread: {', '.join(cells)}; dropout,"
        " `accumulate: 2`, clipping, `documents`, bfloat16",
        f"weights, optimizer, metrics equal to the bit after {steps} steps",
        missed,
    )


def _of_cell(folder: Path, cell: str, steps: int) -> Iterator[str]:
    """Yield what differs from the run on one process."""
    file = experiment(folder, cell, steps=steps)
    for world in WORLDS:
        place = folder / f"{cell}-{world}"
        run(["run", file, "--run-dir", place, "--workers", world], folder / "log.txt")
        found = differences(folder / f"{cell}-{WORLDS[0]}", place)
        yield from (f"{cell} on {world}: {line}" for line in found)


RESUMED = (1, 2, 8)


def resumed(quick: bool) -> Outcome:
    """Save with `shards: 8` on 4 processes and go on with others, and with as many."""
    steps = QUICK_STEPS if quick else STEPS
    cells = ("gru",) if quick else ("gru", "causal_attention")
    with tempfile.TemporaryDirectory() as folder:
        missed = [line for cell in cells for line in _resumed(Path(folder), cell, steps)]
    return Outcome(
        f"`shards: 8`, rows that do not divide; saved on 4 processes, resumed on {_words(RESUMED)}:"
        f" {', '.join(cells)}",
        f"equal to the bit to a run without a break, after {steps} steps",
        missed,
    )


def _resumed(folder: Path, cell: str, steps: int) -> Iterator[str]:
    file, log = experiment(folder, cell, steps=steps, shards=8), folder / "log.txt"
    whole = folder / f"{cell}-whole"
    rows = ["--set", "sampler.batch_size=13", "--set", f"evaluation.every={steps // 2}"]
    run(["run", file, *rows, "--run-dir", whole, "--workers", 4], log)
    for world in RESUMED:
        place = folder / f"{cell}-{world}"
        first = ["--set", f"train.steps={steps // 2}", "--run-dir", place, "--workers", 4]
        run(["run", file, *rows, *first], log)
        rest = ["--set", f"train.steps={steps}", "--workers", world]
        run(["resume", place, *rest], log)
        yield from (f"{cell}, resumed on {world}: {line}" for line in differences(whole, place))


def _words(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"
