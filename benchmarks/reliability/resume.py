"""2N steps in one go against N, a stop in the middle of an epoch, and N more."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import torch

import seqlab
from benchmarks.reliability.equality import differences
from benchmarks.reliability.outcome import Outcome, scaled
from benchmarks.reliability.small import quietly, small_experiment
from seqlab.errors import Interrupted

STEPS = 10  # N: inside the second epoch, which has 7 or 8 steps
OBSERVERS = Path(__file__).with_name("observers")
SAMPLERS = [(name, part) for name in ("consecutive", "random") for part in ("drop", "keep")]
OPTIMIZERS: list[dict[str, Any]] = [
    {"name": "adam"},
    {"name": "adamw"},
    {"name": "sgd", "momentum": 0.9, "nesterov": True},
    {"name": "rmsprop", "momentum": 0.5},
    {"name": "adagrad"},
    {"name": "muon"},
]
COMBINATIONS = list(
    itertools.product(("rnn", "lstm", "gru"), SAMPLERS, OPTIMIZERS, ("float32", "bfloat16"))
)


def check(share: float) -> Outcome:
    torch.set_num_threads(1)
    registry = seqlab.load_plugins(OBSERVERS)
    count = scaled(len(COMBINATIONS), share, least=4)
    chosen = [COMBINATIONS[i * len(COMBINATIONS) // count] for i in range(count)]
    found = {str(combination): _tried(combination, registry) for combination in chosen}
    equal = sum(not one for one in found.values())
    return Outcome(
        f"{2 * STEPS} steps against {STEPS} + resume + {STEPS}, mid-epoch, dropout and"
        " accumulation on: every cell × sampler × optimizer × precision",
        f"{equal} of {count} combinations (of {len(COMBINATIONS)}) equal to the bit",
        [f"{name}: {difference}" for name, one in found.items() for difference in one],
    )


def _tried(combination: Any, registry: seqlab.Registry) -> list[str]:
    with tempfile.TemporaryDirectory() as folder, quietly():
        return _compare(Path(folder), combination, registry)


def _compare(folder: Path, combination: Any, registry: seqlab.Registry) -> list[str]:
    whole, parts = folder / "whole", folder / "parts"
    experiment = _experiment(folder, combination)
    seqlab.run({**experiment, **_interrupted(0)}, run_dir=whole, registry=registry)
    try:
        seqlab.run({**experiment, **_interrupted(STEPS)}, run_dir=parts, registry=registry)
    except Interrupted:
        seqlab.resume(parts, registry=registry)
        return differences(whole, parts)
    return ["was not interrupted"]


def _experiment(folder: Path, combination: Any) -> dict[str, Any]:
    cell, (sampler, part), optimizer, precision = combination
    train = {"steps": 2 * STEPS, "precision": precision}
    if part == "keep":
        train["average"] = 0.9
    sections = {"cell": {"name": cell}, "optimizer": optimizer, "train": train}
    return small_experiment(folder, sampler={"name": sampler, "partial": part}, **sections)


def _interrupted(after: int) -> dict[str, Any]:
    return {"observers": [{"name": "interrupting", "after": after}]}
