"""A disk that is full or broken at every single operation of a save, and of a whole run."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TypeAlias

import torch

import seqlab
from benchmarks.reliability.equality import differences, litter
from benchmarks.reliability.file_operations import FAULTS, FileOperations
from benchmarks.reliability.outcome import Outcome, scaled
from benchmarks.reliability.small import quietly, small_experiment
from seqlab.errors import SeqlabError
from seqlab.training.checkpoint import (
    Checkpoint,
    latest_checkpoint,
    remove_leftovers,
    save_checkpoint,
)

Start: TypeAlias = Callable[[Path], None]

OLD_STEP = 7
SAVES = {"the first checkpoint": None, "a further one": OLD_STEP + 1, "one again": OLD_STEP}
SETTINGS = {"train": {"steps": 8, "checkpoint": {"every": 2}}, "sampler": {"window": 4}}


@dataclass(frozen=True)
class Fault:
    """What goes wrong, at which operation, and whether it stays wrong."""

    name: str
    at: int
    for_good: bool

    def __str__(self) -> str:
        return f"{self.name} at operation {self.at}{' and from there on' * self.for_good}"

    def injected(self) -> FileOperations:
        return FileOperations(FAULTS[self.name], self.at, for_good=self.for_good)


def check(share: float) -> Outcome:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, quietly():
        saves = list(_saves(Path(folder, "saves")))
        runs = list(_runs(Path(folder, "runs"), share))
    return Outcome(
        "ENOSPC and EIO, once and for good, at every write, fsync, rename and mkdir of a save; the"
        " same in a whole run",
        f"{len(saves):,} faults in saves, after each of which the old or the new checkpoint is"
        f" whole: {saves.count(''):,}; {len(runs):,} in runs, after each of which the run ends"
        f" with one message and goes on to the same bits: {runs.count(''):,}",
        [found for found in (*saves, *runs) if found],
    )


def _faults(operations: int, share: float = 1.0) -> Iterator[Fault]:
    count = scaled(operations, share, least=2)
    places = sorted({1 + i * operations // count for i in range(count)})
    for name, at, for_good in product(FAULTS, places, (False, True)):
        yield Fault(name, at, for_good)


# -- one save


def _checkpoint(step: int, fill: float) -> Checkpoint:
    return Checkpoint(step, {"w": torch.full((64, 64), fill)}, {"t": torch.tensor(fill), "a": 1})


def _saves(folder: Path) -> Iterator[str]:
    """One line for each fault: empty where all is well after it."""
    for name, step in SAVES.items():
        for index, fault in enumerate(_faults(_count(folder / name, step))):
            found = _after_fault(folder / f"{name} {index}", step, fault)
            yield f"{name}, {fault}: {found}" if found else ""


def _count(folder: Path, step: int | None) -> int:
    _save_old(folder, step)
    new = _checkpoint(step or OLD_STEP, 2.0)
    return _operations(lambda: save_checkpoint(folder, new))


def _save_old(folder: Path, step: int | None) -> None:
    folder.mkdir(parents=True)
    if step is not None:
        save_checkpoint(folder, _checkpoint(OLD_STEP, 1.0))


def _after_fault(folder: Path, step: int | None, fault: Fault) -> str:
    """Save with a fault; say what is wrong then, if anything is."""
    _save_old(folder, step)
    new = _checkpoint(step or OLD_STEP, 2.0)
    with fault.injected():
        found = _error_of(lambda: save_checkpoint(folder, new))
    if found:
        return found
    return _what_is_left(folder, expected=[1.0, 2.0] if step is not None else [None, 2.0])


def _what_is_left(folder: Path, expected: list[float | None]) -> str:
    """Look as the next start does: after the litter is removed."""
    remove_leftovers(folder)
    checkpoint, damaged = latest_checkpoint(folder)
    value = None if checkpoint is None else float(checkpoint.weights["w"].mean())
    if damaged or value not in expected:
        return f"left {value}, {damaged}"
    return "; ".join(litter(folder))


def _error_of(work: Callable[[], object], *, may_fail: bool = True) -> str:
    """Do something that may fail with a `SeqlabError` and no other; say what else it did."""
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            work()
    except SeqlabError as error:
        return "" if may_fail else f"cannot go on: {error}"
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"
    return "printed a traceback" if "Traceback" in errors.getvalue() else ""


# -- a whole run


def _runs(folder: Path, share: float) -> Iterator[str]:
    """Faults in a run from its start, then in one that goes on from the middle."""
    folder.mkdir(parents=True)
    registry = seqlab.load_plugins(local=False)
    experiment = small_experiment(folder, **SETTINGS)  # type: ignore[arg-type] # mappings, all
    whole, half = folder / "whole", folder / "half"

    def start(place: Path) -> None:
        if not (place / "run.json").exists():
            seqlab.run(experiment, run_dir=place, registry=registry)
        elif seqlab.open_run(place).description["status"] != "finished":
            seqlab.resume(place, registry=registry)

    operations = _operations(lambda: start(whole))
    with Fault("EIO", operations // 2, for_good=True).injected():
        _error_of(lambda: start(half))
    yield from _started(folder / "begun", None, start, whole, list(_faults(operations, share)))
    shutil.copytree(half, folder / "rest")
    operations = _operations(lambda: start(folder / "rest"))
    yield from _started(folder / "resumed", half, start, whole, list(_faults(operations, share)))


def _operations(work: Callable[[], object]) -> int:
    with FileOperations() as operations:
        work()
    return operations.count


def _started(
    folder: Path, before: Path | None, start: Start, whole: Path, faults: list[Fault]
) -> Iterator[str]:
    """Start with each fault, then once more without, as when there is room again."""
    for index, fault in enumerate(faults):
        place = folder / str(index) / "run"
        place.parent.mkdir(parents=True)
        if before is not None:
            shutil.copytree(before, place)
        with fault.injected():
            found = _error_of(lambda place=place: start(place))  # type: ignore[misc] # bound now
        found = found or _error_of(lambda place=place: start(place), may_fail=False)  # type: ignore[misc]
        found = found or "; ".join([*differences(whole, place), *litter(place.parent)])
        yield f"a run that is {folder.name}, {fault}: {found}" if found else ""
