"""Checkpoints made by somebody who means harm, loaded and resumed from."""

from __future__ import annotations

import resource
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

import seqlab
from benchmarks.reliability.children import ending, fork
from benchmarks.reliability.hostile_checkpoints import CHECKPOINTS, STATES, Made, in_state
from benchmarks.reliability.outcome import Outcome, scaled
from benchmarks.reliability.small import quietly, small_experiment
from seqlab.errors import CheckpointError, SeqlabError
from seqlab.training.checkpoint import load_checkpoint

MIB = 1 << 20
SPARE = 50 * MIB  # besides twice the files
CEILING = 2048 * MIB  # of address space more than there is, so that a bomb hurts nobody
SECONDS = 20


def check(share: float) -> Outcome:
    torch.set_num_threads(1)
    states = [in_state(path, value) for path, value in STATES]
    with tempfile.TemporaryDirectory() as folder:
        run = _unfinished_run(Path(folder))
        loads = [_tried(Path(folder), run, made, _load) for made in _some(CHECKPOINTS, share)]
        resumes = [_tried(Path(folder), run, made, _resume) for made in _some(states, share)]
    found = [*loads, *resumes]
    return Outcome(
        "hostile checkpoints: pickles renamed, headers of gigabytes, `../`, depth, right hashes"
        " over wrong content",
        f"{len(loads):,} loaded and {len(resumes):,} resumed from; nothing executed, nothing"
        f" written elsewhere, no exception but ours, memory under twice the files + 50 MiB:"
        f" {found.count(''):,}",
        [one for one in found if one],
    )


def _some(made: list[Made], share: float) -> list[Made]:
    count = scaled(len(made), share, least=8)
    return [made[i * len(made) // count] for i in range(count)]


def _unfinished_run(folder: Path) -> Path:
    """A run that there is something left to do for, as after a loss of power."""
    place = folder / "original" / "run"
    place.parent.mkdir()
    experiment = small_experiment(folder, train={"steps": 4}, evaluation={"every": 100})
    with quietly():
        run = seqlab.run(experiment, run_dir=place)
    run.folder.describe(run.description | {"status": "running"})
    return place


def _tried(folder: Path, run: Path, made: Made, use: Callable[[Path, Made], None]) -> str:
    """Let a child use a hostile checkpoint; say what is wrong with what came of it, if anything."""
    root, canary = folder / "tried", folder / "executed"
    shutil.copytree(run.parent, root)
    try:
        (place,) = (root / "run" / "checkpoints").iterdir()
        made.write(place, canary)
        before = _listing(folder, root / "run")
        size = sum(path.stat().st_size for path in place.iterdir() if path.is_file())
        end = ending(
            fork(lambda: _guarded(lambda: use(root / "run", made), size), folder / "output")
        )
        if canary.exists() or _listing(folder, root / "run") != before:
            return f"{made.name}: executed something, or wrote outside of the run"
        return f"{made.name}: {_last_line(folder / 'output', end)}" if end else ""
    finally:
        shutil.rmtree(root)
        canary.unlink(missing_ok=True)
        (folder / "output").unlink(missing_ok=True)


def _last_line(output: Path, end: int) -> str:
    if end == -signal.SIGALRM:
        return f"took more than {SECONDS} s"
    return (output.read_text("utf-8").strip().splitlines() or [f"ended with {end}"])[-1][:200]


def _listing(folder: Path, run: Path) -> set[Path]:
    """Everything that is there, but for what is in the run and what the child says."""
    return {p for p in folder.rglob("*") if run not in p.parents and p.name != "output"}


def _guarded(use: Callable[[], None], size: int) -> None:
    """Use a checkpoint within bounds of time and memory, and measure the latter."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    ceiling = pages * resource.getpagesize() + CEILING
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    signal.alarm(SECONDS)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    use()
    used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    if used > 2 * size + SPARE:
        raise MemoryError(f"used {used / MIB:.0f} MiB for files of {size / MIB:.0f} MiB")


def _load(run: Path, made: Made) -> None:
    (place,) = (run / "checkpoints").iterdir()
    try:
        load_checkpoint(place)
    except CheckpointError:
        return
    if not made.may_load:
        raise AssertionError("loaded without a word")


def _resume(run: Path, _: Made) -> None:
    try:
        seqlab.resume(run, overrides=["train.steps=6"])
    except SeqlabError:
        return
