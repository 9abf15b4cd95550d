"""A run folder in which one thing is what somebody else put there, and one command on it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch

import seqlab
from benchmarks.reliability.children import ending, fork
from benchmarks.reliability.outcome import Outcome, chance_of, scaled
from benchmarks.reliability.small import quietly, small_experiment
from seqlab.cli.main import call
from seqlab.experiment.yaml12 import dump_yaml

DRAWS, PROCESSES = 2000, 100
SECONDS = 10
RIGHT = (0, 2, 4)
COMMANDS = (
    "runs",
    "compare runs/x/1 runs/x/2",
    "generate runs/x/1 --prefix the --length 4",
    "eval runs/x/1",
    *("resume runs/x/1", "resume runs/x/1 --set train.steps=6") * 4,  # what writes most
    "doctor runs/x/1",
    "run x.yaml --resume auto --run-dir runs/x/1",
    "explain runs/x/1/resolved.yaml",
    "validate runs/x/1/resolved.yaml",
)


class Place(NamedTuple):
    """A path of a run, the folder that all is in, and the chance of a draw."""

    path: Path
    work: Path
    chance: random.Random


Change = Callable[[Place], None]
"""Puts something in a place."""


def check(share: float) -> Outcome:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        _make_runs(Path(folder, "original"))
        forked = list(_draws(Path(folder), scaled(DRAWS, share), seed=1, start=_in_a_fork))
        started = list(_draws(Path(folder), scaled(PROCESSES, share), seed=2, start=_as_a_process))
    found = [*forked, *started]
    return Outcome(
        "run folders in which a file or folder is a link, a second name, a pipe, a folder, random"
        " bytes, nothing, or another run's, and one command on each",
        f"{len(forked):,} commands in process and {len(started):,} as processes ended within"
        f" {SECONDS} s with 0, 2 or 4, without a traceback, and changed nothing outside of the"
        f" run: {found.count(''):,}",
        [one for one in found if one],
    )


def _make_runs(place: Path) -> None:
    """Two runs of two experiments, the first of which was killed; and a home beside them."""
    place.mkdir()
    home = place / "home"
    home.mkdir()
    (home / "diary.txt").write_text("mine\n" * 99)
    for number in (1, 2):
        settings = {"steps": 4, "seed": number, "checkpoint": {"every": 2}}
        experiment = small_experiment(place, train=settings, evaluation={"every": 2})
        experiment |= {"observers": ["csv"], "cell": {"name": "gru", "hidden_size": 4 + number}}
        (place / "x.yaml").write_text(dump_yaml(experiment))
        with quietly():
            run = seqlab.run(place / "x.yaml", run_dir=place / f"runs/x/{number}")
        (run.path / "plugins").mkdir()
        (run.path / "plugins" / "theirs.py").write_text("open('EXECUTED', 'w')\n")
        run.folder.describe(run.description | {"status": "running"})
    shutil.rmtree(place / "runs/x/1/checkpoints/step-00000004")


def _draws(
    folder: Path, count: int, *, seed: int, start: Callable[[list[str], Path], int]
) -> Iterator[str]:
    chance = chance_of(seed)
    for _ in range(count):
        command = chance.choice(COMMANDS)
        yield _tried(folder, command, chance, start)


def _tried(
    folder: Path, command: str, chance: random.Random, start: Callable[[list[str], Path], int]
) -> str:
    """Make one change and give one command; say what is wrong with what came of it, if anything."""
    work, output = folder / "work", folder / "output"
    shutil.copytree(folder / "original", work, symlinks=True)
    try:
        victim = chance.choice(sorted((work / "runs/x/1").rglob("*")))
        change = chance.choice(CHANGES)
        change(Place(victim, work, chance))
        before = _snapshot(work)
        end = start(command.split(), folder)
        text = output.read_text("utf-8", "replace")
        wrong = _wrong(end, text) or _differences(before, _snapshot(work))
        name = f"{command}, {victim.relative_to(work)}: {change.__name__.strip('_')}"
        return f"{name}: {wrong}" if wrong else ""
    finally:
        shutil.rmtree(work)
        output.unlink(missing_ok=True)


def _wrong(end: int, text: str) -> str:
    if end in (-signal.SIGALRM, 124):
        return f"took more than {SECONDS} s"
    if "Traceback" in text:
        return text.strip().splitlines()[-1][:200]
    if end not in RIGHT:
        return f"ended with {end}: {text.strip()[-200:]}"
    return "printed nothing" if end and not text.strip() else ""


def _snapshot(work: Path) -> dict[str, object]:
    """All that lies outside of the run, and must stay as it is."""
    own = work / "runs/x/1"
    paths = [path for path in work.rglob("*") if own not in (path, *path.parents)]
    return {str(path.relative_to(work)): _content(path) for path in paths}


def _content(path: Path) -> object:
    if path.is_symlink():
        return path.readlink()
    return path.read_bytes() if path.is_file() else path.lstat().st_mode


def _differences(before: dict[str, object], after: dict[str, object]) -> str:
    names = sorted({*before, *after})
    return ", ".join(f"{name} is another" for name in names if before.get(name) != after.get(name))


def _in_a_fork(arguments: list[str], folder: Path) -> int:
    def work() -> None:
        signal.alarm(SECONDS)
        os.chdir(folder / "work")
        os.environ["SEQLAB_CACHE"] = str(folder / "cache")
        code = call(arguments)
        sys.stdout.flush()
        os._exit(code)

    return ending(fork(work, folder / "output"))


def _as_a_process(arguments: list[str], folder: Path) -> int:
    environment = {**os.environ, "SEQLAB_CACHE": str(folder / "cache")}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, "-m", "seqlab", *arguments]
    with (folder / "output").open("wb") as output:
        try:
            done = subprocess.run(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, check=False,
                cwd=folder / "work", env=environment, timeout=SECONDS + 20,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return 124
    return done.returncode


def _removed(victim: Path) -> None:
    if victim.is_dir():
        shutil.rmtree(victim)
    else:
        victim.unlink()


def _link_to_a_file(at: Place) -> None:
    _removed(at.path)
    at.path.symlink_to(at.work / "home/diary.txt")


def _link_to_a_folder(at: Place) -> None:
    _removed(at.path)
    at.path.symlink_to(at.work / "home")


def _link_to_nothing(at: Place) -> None:
    _removed(at.path)
    at.path.symlink_to(at.work / "home/new.txt")


def _link_to_what_it_was(at: Place) -> None:
    at.path.rename(at.work / "home/moved")
    at.path.symlink_to(at.work / "home/moved")


def _link_to_a_device(at: Place) -> None:
    _removed(at.path)
    at.path.symlink_to(at.chance.choice(["/dev/zero", "/dev/full", "/dev/stdin", "/proc/self/mem"]))


def _second_name(at: Place) -> None:
    _removed(at.path)
    at.path.hardlink_to(at.work / "home/diary.txt")


def _pipe(at: Place) -> None:
    _removed(at.path)
    os.mkfifo(at.path)


def _folder(at: Place) -> None:
    _removed(at.path)
    at.path.mkdir()
    (at.path / "mine.txt").write_text("mine")


def _random_bytes(at: Place) -> None:
    _removed(at.path)
    at.path.write_bytes(at.chance.randbytes(at.chance.choice([1, 30, 3000])))


def _nothing_in_it(at: Place) -> None:
    _removed(at.path)
    at.path.touch()


def _gone(at: Place) -> None:
    _removed(at.path)


def _of_another_run(at: Place) -> None:
    place = at.path.relative_to(at.work / "runs/x/1")
    other = at.work / "runs/x/2" / place
    _removed(at.path)
    if other.is_dir():
        shutil.copytree(other, at.path)
    elif other.is_file():
        shutil.copyfile(other, at.path)


CHANGES: tuple[Change, ...] = (
    *(_link_to_a_file, _link_to_a_folder, _link_to_nothing, _link_to_what_it_was),
    *(_link_to_a_device, _second_name, _pipe, _folder, _random_bytes, _nothing_in_it, _gone),
    _of_another_run,
)
