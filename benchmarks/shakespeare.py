"""Tiny Shakespeare against nanoGPT's recipe for a CPU: prints the table of docs/performance.md.

python -m benchmarks.shakespeare [--seeds 3] [--device cuda]

Loss is that of the whole last tenth of the text. Of the peer the seconds of training are counted,
of seqlab everything: reading the text, training, evaluating, saving.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import torch

import seqlab
from benchmarks.interleaved import summary
from benchmarks.machine import describe
from benchmarks.transformer import Result, train_and_score
from seqlab.data.preparation import prepare
from seqlab.registry import resolve

EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"
OURS = ("shakespeare_fast", "shakespeare_best")
PEER = "nanoGPT's recipe"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    seeds, device = options.seeds, options.device
    results: dict[str, list[Result]] = {name: [] for name in (PEER, *OURS)}
    for seed in range(seeds):  # in turn, so that a machine that slows down slows down all
        results[PEER].append(_timed(PEER, seed, partial(_peer, device)))
        for name in OURS:
            results[name].append(_timed(name, seed, partial(_ours, name, device)))
    print(f"{describe(device)}; seeds 0 to {seeds - 1}; median (best – worst)\n")
    print("| what | loss | seconds | share of the peer's time |\n|---|---|---|---|")
    for name, attempts in results.items():
        shares = [a.seconds / b.seconds for a, b in zip(attempts, results[PEER], strict=True)]
        losses, seconds = [r.loss for r in attempts], [r.seconds for r in attempts]
        print(f"| {name} | {summary(losses, 4)} | {summary(seconds, 1)} | {summary(shares, 3)} |")


def _timed(name: str, seed: int, run: Callable[[int], Result]) -> Result:
    result = run(seed)
    print(f"{name}, seed {seed}: {result}", file=sys.stderr, flush=True)
    return result


def _peer(device: str, seed: int) -> Result:
    prepared = prepare(resolve(seqlab.read_experiment(_file(OURS[0])), seqlab.load_plugins()))
    splits = [prepared.tokens, prepared.split("valid")]
    train, valid = (torch.from_numpy(split.ids.astype("int64")) for split in splits)
    return train_and_score(train, valid, prepared.tokenizer.size, seed, device)


def _ours(name: str, device: str, seed: int) -> Result:
    """The whole of `seqlab run`, with nothing prepared before."""
    overrides = [f"train.seed={seed}", f"train.device={device}"]
    with tempfile.TemporaryDirectory() as root:
        begun = time.perf_counter()
        own_cache = mock.patch.dict(os.environ, SEQLAB_CACHE=f"{root}/cache")
        with own_cache, contextlib.redirect_stdout(io.StringIO()):
            run = seqlab.run(_file(name), overrides=overrides, root=root)
        seconds = time.perf_counter() - begun
        scores = [record["loss"] for record in run.metrics if record["split"] == "valid"]
        return Result(scores[-1], seconds)


def _file(name: str) -> Path:
    return EXPERIMENTS / f"{name}.yaml"


if __name__ == "__main__":
    main()
