"""In which order things reach the disk, by a log of the system calls: as a power cut would show."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from seqlab.experiment.yaml12 import dump_yaml

CALLS = "openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,ftruncate,mkdir"
CALL = re.compile(r"\d+\s+(\w+)\((.*)\)\s+= (-?\d+)(?:<([^>]*)>)?")
DESCRIPTOR = re.compile(r"\d+<([^>]*)>")
NEVER_MEANT_TO_LAST = (".seqlab-unfinished", "run.lock", "run.lock.json", "log.txt")
MOST_SYNCS_OF_A_CHECKPOINT = 7 + 2


class Disk:
    """What a power cut would leave, as far as a log of calls tells; `wrong` are broken rules."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.unsynced: set[str] = set()  # files with bytes, and folders with names
        self.wrong: list[str] = []
        self.syncs: list[str] = []

    def call(self, name: str, arguments: str, result: str, opened: str) -> None:
        if result == "-1":
            return
        paths = [self._path(text) for text in re.findall(r'"((?:[^"\\]|\\.)*)"', arguments)]
        at = DESCRIPTOR.match(arguments)
        if name == "openat" and "O_CREAT" in arguments:
            self._made(opened)
        elif name == "mkdir":
            self._mark(str(Path(paths[0]).parent))
        elif name in ("write", "pwrite64", "ftruncate") and at:
            self._mark(at[1])
        elif name in ("fsync", "fdatasync") and at:
            self.unsynced.discard(at[1])
            self.syncs.append(at[1])
        elif name.startswith("rename"):
            self._renamed(*paths[-2:])

    def _path(self, text: str) -> str:
        return os.path.normpath(self.work / text)

    def _mark(self, path: str) -> None:
        inside = path.startswith(f"{self.work}/")
        if inside and not path.endswith((*NEVER_MEANT_TO_LAST, ".lock", "(deleted)")):
            self.unsynced.add(path)

    def _made(self, path: str) -> None:
        self._mark(path)
        if path in self.unsynced:
            self._mark(str(Path(path).parent))

    def _renamed(self, old: str, new: str) -> None:
        early = [path for path in self.unsynced if path == old or path.startswith(f"{old}/")]
        if early:
            self.wrong.append(f"{new} has its name before {early} are on the disk")
        if new.endswith("run.json"):
            folder = str(Path(new).parent)
            rows = [p for p in self.unsynced if p.startswith(f"{folder}/") and "jsonl" in p]
            self.wrong += [f"{new} speaks of {path}, which is not on the disk" for path in rows]
        self.unsynced -= set(early)
        if not new.endswith(".tmp"):  # a name that is given up with what has it
            self._mark(str(Path(new).parent))


@pytest.fixture
def disk(tiny):
    """Give commands under strace; return what is known of the disk after them."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    settings = {"steps": 8, "epochs": None, "checkpoint": {"every": 2, "keep": 2}}
    Path("a.yaml").write_text(dump_yaml(tiny | {"train": settings}))
    disk = Disk(Path.cwd())

    def after(*arguments):
        command = ["strace", "-f", "-y", "-s", "0", "-e", f"trace={CALLS}", "-o", "log"]
        environment = os.environ | {"SEQLAB_CACHE": str(disk.work / "cache")}
        done = subprocess.run(
            [*command, sys.executable, "-m", "seqlab", *arguments],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if "PTRACE" in done.stderr or "ptrace" in done.stderr:
            pytest.skip(f"strace may not trace here: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
        for line in Path("log").read_text("utf-8", "replace").splitlines():
            if found := CALL.match(line):
                disk.call(*(part or "" for part in found.groups()))
        return disk

    return after


@pytest.mark.parametrize(
    "commands",
    [
        ["run a.yaml --run-dir new/r", "resume new/r --set train.steps=12"],
        ["corpus build a.yaml"],
    ],
    ids=["run and resume", "build"],
)
def test_nothing_has_its_name_before_it_is_on_the_disk_and_all_is_in_the_end(disk, commands):
    for command in commands:
        found = disk(*command.split())
        assert found.wrong == []
        assert [path for path in found.unsynced if Path(path).exists()] == []
    assert found.syncs


def test_a_checkpoint_takes_few_syncs(disk):
    found = disk("run", "a.yaml", "--run-dir", "r")
    ends = [i for i, path in enumerate(found.syncs) if path.endswith("r/checkpoints")]
    assert len(ends) == 4
    counts = [end - start for start, end in pairwise(ends)]
    assert max(counts) <= MOST_SYNCS_OF_A_CHECKPOINT


@pytest.mark.parametrize(
    ("calls", "wrong"),
    [
        ('write(3</w/.r.tmp/a>, "", 1) = 1\nrename("/w/.r.tmp", "/w/r") = 0', "has its name"),
        ('write(3</w/metrics.jsonl>, "", 1) = 1\nrename("/w/x", "/w/run.json") = 0', "speaks of"),
    ],
)
def test_a_wrong_order_is_seen(calls, wrong):
    disk = Disk(Path("/w"))
    for line in calls.splitlines():
        disk.call(*(part or "" for part in CALL.match(f"7 {line}").groups()))
    assert wrong in disk.wrong[0]
