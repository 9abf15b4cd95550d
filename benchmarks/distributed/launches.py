"""An experiment -> runs of it on processes of one machine, watched from outside."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MARK = "SEQLAB_BENCHMARK"  # a variable that all processes of a launch inherit
WORDS = ("once", "there", "was", "a", "quick", "fox", "and", "it", "jumped", "over", "dogs")
LINES = 600
SIZE = 192  # of layers: most cells have gradients that are added in chunks, one has not
LONGEST = 600  # seconds that a run may take
BAR = 90.0  # seconds in which all processes have ended after a failure


def experiment(folder: Path, cell: str, **train: Any) -> Path:
    """Write an experiment that has everything in it on which bits could depend.

    Dropout, accumulation, clipping, documents of different lengths, bfloat16, a split to evaluate.

    Args:
        folder: where the experiment and its text go.
        cell: its name.
        train: options of the section, laid over those here; None: without that one.
    """
    chance = random.Random(0)  # noqa: S311 # nobody is to be kept from guessing it
    lines = (" ".join(chance.choices(WORDS, k=chance.randint(2, 14))) for _ in range(LINES))
    (folder / "text.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    attention = {"hidden_size": SIZE, "heads": 4}
    options = {
        "gated_linear_attention": attention | {"key_size": 16},
        "causal_attention": attention | {"context": 32},
    }
    defaults = {"accumulate": 2, "precision": "bfloat16", "shards": 4, "threads": 1}
    sections: dict[str, Any] = {
        "corpus": {
            "name": "text",
            "path": str(folder / "text.txt"),
            "documents": "line",
            "holdout": 0.1,
        },
        "sampler": {"name": "documents", "batch_size": 16, "window": 16},
        "model": {"embedding": SIZE, "layers": 2, "dropout": 0.2},
        "cell": {"name": cell, **options.get(cell, {"hidden_size": SIZE})},
        "optimizer": {"name": "adamw", "lr": 3e-3, "clip_norm": 0.5},
        "train": {k: v for k, v in (defaults | train).items() if v is not None},
        "evaluation": {"every": 25, "rows": 8, "window": 32},
    }
    path = folder / f"{cell}.yaml"
    path.write_text(json.dumps(sections), "utf-8")  # JSON is YAML
    return path


@dataclass
class Launch:
    """A command that was started, with all processes that come of it."""

    process: subprocess.Popen[bytes]
    mark: str
    log: Path
    begun: float = field(default_factory=time.monotonic)

    @property
    def output(self) -> str:
        return self.log.read_text("utf-8", errors="replace")

    def processes(self) -> dict[int, dict[str, str]]:
        """The environment of each process of this launch that has not ended, by its id."""
        return {
            pid: found
            for pid, found in _environments()
            if found.get(MARK) == self.mark and not _is_zombie(pid)
        }

    def ranks(self) -> dict[int, int]:
        """The process of each rank of the latest attempt."""
        found = {
            pid: (int(env["TORCHELASTIC_RESTART_COUNT"]), int(env["RANK"]))
            for pid, env in self.processes().items()
            if "RANK" in env and "TORCHELASTIC_RESTART_COUNT" in env
        }
        last = max((attempt for attempt, _ in found.values()), default=0)
        return {rank: pid for pid, (attempt, rank) in found.items() if attempt == last}

    def wait(self, seconds: float = LONGEST) -> int:
        """Wait for the command; return its exit code."""
        return self.process.wait(seconds)

    def seconds_until_ended(self, longest: float, *, only_ranks: bool = False) -> float | None:
        """Wait until no process is left, and return how long; None: some are left."""
        since = time.monotonic()
        while time.monotonic() - since < longest:
            self.process.poll()
            if not (self.ranks() if only_ranks else self.processes()):
                return time.monotonic() - since
            time.sleep(0.2)
        return None

    def kill(self) -> None:
        """End all processes of this launch, whatever they do."""
        for pid in self.processes():
            try:
                os.kill(pid, 9)
            except ProcessLookupError:  # it was faster
                continue
        self.process.wait()


def start(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    mark: str | None = None,
) -> Launch:
    """Start a command; what it prints goes into a file."""
    mark = mark or uuid.uuid4().hex
    env = {**os.environ, MARK: mark, "PYTHONPATH": python_path(ROOT), **(environment or {})}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env
        )
    return Launch(process, mark, log)


def seqlab(*arguments: object) -> list[str]:
    """The command, in this environment."""
    return [sys.executable, "-m", "seqlab", *map(str, arguments)]


def run(
    arguments: Sequence[object], log: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Run the command to its end.

    Raises:
        RuntimeError: it failed.
    """
    launch = start(seqlab(*arguments), log, environment)
    if code := launch.wait():
        raise RuntimeError(f"exit code {code}: {' '.join(map(str, arguments))}\n{launch.output}")


def python_path(root: Path) -> str:
    """The variable PYTHONPATH with which the code below a folder is the one that runs."""
    return f"{root}{os.pathsep}{root / 'plugins'}"


def wait_for_step(launch: Launch, folder: Path, longest: float = 120.0) -> None:
    """Wait until a run has its first checkpoint.

    Raises:
        RuntimeError: it ends before, or has none in time.
    """
    since = time.monotonic()
    while not any((folder / "checkpoints").glob("step-*")):
        if launch.process.poll() is not None or time.monotonic() - since > longest:
            raise RuntimeError(f"no checkpoint in {folder}\n{launch.output}")
        time.sleep(0.1)


def _environments() -> list[tuple[int, dict[str, str]]]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has ended, or is another user's
            continue
        pairs = (word.partition("=") for word in words)
        found.append((int(path.parent.name), {key: value for key, _, value in pairs}))
    return found


def _is_zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"
