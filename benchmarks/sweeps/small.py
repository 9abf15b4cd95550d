"""A small sweep, its processes, and what its trials came to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import seqlab
from benchmarks.reliability.equality import differences
from benchmarks.reliability.small import quietly
from seqlab.experiment.yaml12 import dump_yaml

BASE: dict[str, Any] = {
    "corpus": {"name": "text", "path": "text.txt", "holdout": 0.2},
    "sampler": {"name": "consecutive", "batch_size": 8, "window": 16},
    "cell": {"name": "gru", "hidden_size": 32},
    "optimizer": {"name": "adam", "lr": 0.01},
    "evaluation": {"every": "1 epoch"},
    "train": {"epochs": 12, "device": "cpu", "threads": 1, "checkpoint": {"every": 10}},
}
SPACE: dict[str, Any] = {
    "cell": ["rnn", "gru", "lstm"],
    "cell.hidden_size": {"integers": [16, 96]},
    "optimizer.lr": {"log_range": [3e-4, 3e-2]},
}
REPEATS = 120
SENTENCE = "the quick brown fox jumps over the lazy dog, and so on. "


def write_sweep(folder: Path, **keys: Any) -> Path:
    """Write a text, an experiment on it and a sweep around that; return the sweep's file."""
    (folder / "text.txt").write_text(SENTENCE * REPEATS, "utf-8")
    (folder / "base.yaml").write_text(dump_yaml(BASE), "utf-8")
    file = folder / "small.yaml"
    file.write_text(dump_yaml({"extends": "base.yaml", "space": SPACE, **keys}), "utf-8")
    return file


def start(
    folder: Path, *options: str, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start the command, in a process group of its own."""
    command = [sys.executable, "-m", "seqlab", "sweep", "small.yaml", "--no-local-plugins"]
    return subprocess.Popen(
        [*command, *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )


def status(folder: Path) -> dict[str, Any]:
    """What `seqlab sweep status` says, as data."""
    command = [sys.executable, "-m", "seqlab", "sweep", "status", "small", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The workers that a sweep has started."""
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return [int(pid) for pid in children if "spawn_main" in _command_of(int(pid))]
    except OSError:
        return []


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def differs_from_alone(run: Path, registry: seqlab.Registry, into: Path) -> list[str]:
    """Run the `resolved.yaml` of a trial by itself; say in what the trial differs from it.

    Of a pruned one, everything until the step where it was pruned is compared.
    """
    status = json.loads((run / "run.json").read_text("utf-8"))["status"]
    if status != "pruned":
        with quietly():
            seqlab.run(run / "resolved.yaml", run_dir=into, registry=registry)
        return differences(run, into)
    every = {"train.checkpoint": {"every": "1 epoch", "keep": 1000}}
    with quietly():
        alone = seqlab.run(run / "resolved.yaml", overrides=every, run_dir=into, registry=registry)
    step = seqlab.open_run(run).description["step"]
    _cut_to(alone.path, step)
    return differences(run, into)


def _cut_to(folder: Path, step: int) -> None:
    """Leave of a run what it was at a step: later checkpoints and rows go."""
    for checkpoint in (folder / "checkpoints").iterdir():
        if int(checkpoint.name.removeprefix("step-")) > step:
            checkpoint.rename(folder / f"later-{checkpoint.name}")
    for name in ("metrics.jsonl", "samples.jsonl"):
        lines = (folder / name).read_text("utf-8").splitlines(keepends=True)
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        (folder / name).write_text("".join(kept), "utf-8")
