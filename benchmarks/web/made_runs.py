"""Run folders as training leaves them, made without training: thousands in seconds."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import seqlab
from seqlab.runs.reached import Reached

WORDS = "the quick brown fox jumps over the lazy dog, and so on. "


def first_run(into: Path) -> Path:
    """Train the run that all others are copied from."""
    text = into / "text.txt"
    text.write_text(WORDS * 40, "utf-8")
    experiment = {
        "corpus": {"name": "text", "path": str(text), "holdout": 0.2},
        "sampler": {"name": "consecutive", "batch_size": 4, "window": 8},
        "cell": {"name": "gru", "hidden_size": 32},
        "optimizer": {"name": "adam", "lr": 0.01},
        "decoder": "sample",
        "evaluation": {"every": "1 epochs"},
        "samples": {"every": 1, "prefixes": ["the"], "length": 40},
        "train": {"epochs": 3, "device": "cpu", "threads": 1},
    }
    return seqlab.run(experiment, run_dir=into / "first").path


def rows(count: int, seed: int, like: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield rows of a loss that falls: training and the evaluated split in turn."""
    drawn = random.Random(seed)  # noqa: S311 # numbers of a picture
    floor, speed = drawn.uniform(0.8, 2.0), drawn.uniform(30, 200)
    for index in range(count):
        step = 10 * (index // 2 + 1)
        split = "valid" if index % 2 else "train"
        loss = floor + 3 * math.exp(-index / speed) + 0.03 * drawn.random() + 0.1 * (index % 2)
        yield {
            **like,
            "step": step,
            "epoch": index // 2 + 1,
            "split": split,
            "loss": loss,
            "perplexity": math.exp(loss),
            "tokens_per_second": 1e5 * drawn.uniform(0.9, 1.1),
        }


def copy_run(first: Path, to: Path, seed: int, count: int, *, status: str = "finished") -> None:
    """Copy a run with other settings and rows; one that is `running` has nobody who trains it."""
    shutil.copytree(first, to)
    like = json.loads((first / "metrics.jsonl").read_text("utf-8").splitlines()[0])
    made = list(rows(count, seed, like))
    text = "".join(json.dumps(row) + "\n" for row in made)
    (to / "metrics.jsonl").write_text(text, "utf-8")
    description = json.loads((to / "run.json").read_text("utf-8"))
    description["settings"]["optimizer"]["lr"] = round(0.001 * (1 + seed % 50), 4)
    description["settings"]["train"]["seed"] = seed
    started = f"2026-11-{1 + seed % 28:02}T{seed % 24:02}:{seed % 60:02}:00+00:00"
    description |= {"id": f"{seed:016x}", "name": to.parent.name, "seed": seed, "started": started}
    description |= {"status": status, "step": made[-1]["step"], "total_steps": 5 * count}
    if status == "finished":
        description["reached"] = Reached(made).as_json()
    else:
        description.pop("reached", None)
        description["step"] = 0
    (to / "run.json").write_text(json.dumps(description), "utf-8")


def make_runs(into: Path, first: Path, count: int, row_count: int, unfinished: int = 20) -> None:
    """Make `count` runs of `row_count` rows in ten names, some of which did not end."""
    for number in range(count):
        to = into / f"trial_{number % 10}" / f"20261130T{number:06}Z-{number:06x}"
        status = "running" if number < unfinished else "finished"
        copy_run(first, to, number, row_count, status=status)
