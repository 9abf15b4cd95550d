"""A run without shards against the code from before there were any: its bits, and its time."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

from benchmarks.distributed.equal_bits import CELLS, QUICK_STEPS, STEPS
from benchmarks.distributed.launches import ROOT, experiment, python_path, run
from benchmarks.distributed.workers import Worker
from benchmarks.interleaved import interleave, ratio, summary
from benchmarks.reliability.equality import differences
from benchmarks.reliability.outcome import Outcome

BEFORE = "27f44b5"
"""The last commit without `train.shards`."""
ROUNDS, QUICK_ROUNDS = 21, 2
STEPPING = """
import json, sys
from benchmarks.interleaved import timed
from benchmarks.training_steps import training_step
from seqlab.training.eager_optimizers import spare_compiler
spare_compiler()
step = training_step({cell!r})
print("{{}}", flush=True)
for _ in sys.stdin:
    print(json.dumps({{"ms": timed(step)}}), flush=True)
"""


def same_bits(quick: bool) -> Outcome:
    """Run each cell with the code from before, and with that of now."""
    cells, steps = (CELLS[1:2], QUICK_STEPS) if quick else (CELLS, STEPS)
    with tempfile.TemporaryDirectory() as folder, code_from_before() as before:
        missed = [line for cell in cells for line in _of_cell(Path(folder), before, cell, steps)]
    return Outcome(
        f"`shards: 1` against the code of {BEFORE}: {', '.join(cells)}",
        f"equal to the bit after {steps} steps",
        missed,
    )


def _of_cell(folder: Path, before: Path, cell: str, steps: int) -> Iterator[str]:
    file = experiment(folder, cell, steps=steps, shards=None, threads=None)
    for name, root in {"before": before, "now": ROOT}.items():
        environment = {"PYTHONPATH": python_path(root), "OMP_NUM_THREADS": "1"}
        place = folder / f"{cell}-{name}"
        run(["run", file, "--run-dir", place], folder / "log.txt", environment)
    found = differences(folder / f"{cell}-before", folder / f"{cell}-now")
    yield from (f"{cell}: {line}" for line in found)


def cost(quick: bool) -> Iterator[str]:
    """A step in one process, with both codes in turn; and the same code twice, which is noise."""
    cells, rounds = (CELLS[1:2], QUICK_ROUNDS) if quick else (CELLS, ROUNDS)
    yield f"Steps of one process; ms, median (smallest – largest) of {rounds} rounds in turn"
    yield ""
    yield f"| cell | now | code of {BEFORE} | ratio | the same code twice |"
    yield "|---|---|---|---|---|"
    with code_from_before() as before:
        for cell in cells:
            with ExitStack() as stack:
                roots = (ROOT, before, before)
                workers = [stack.enter_context(_stepping(cell, root)) for root in roots]
                now, old, again = interleave([_round(worker) for worker in workers], rounds)
            noise = ratio(again, old)
            yield f"| `{cell}` | {summary(now)} | {summary(old)} | {ratio(now, old)} | {noise} |"


@contextmanager
def _stepping(cell: str, root: Path) -> Iterator[Worker]:
    """Give a process that takes steps with the code below a folder."""
    worker = Worker([sys.executable, "-c", STEPPING.format(cell=cell)], {}, root)
    try:
        worker.answer()
        yield worker
    finally:
        worker.process.kill()
        worker.process.wait()


def _round(worker: Worker) -> Callable[[], float]:
    def measure() -> float:
        worker.ask()
        return float(worker.answer()["ms"])

    return measure


@contextmanager
def code_from_before() -> Iterator[Path]:
    """Give a folder with the code from before there were shards, taken from the repository."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["git", "-C", str(ROOT), "archive", BEFORE]
        packed = subprocess.run(command, check=True, capture_output=True).stdout
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)
