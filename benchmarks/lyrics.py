"""The lyrics learnt by heart: seconds to the textbook's perplexity, from scratch, against its loop.

python -m benchmarks.lyrics [--seeds 3] [--device cuda]

The loop trains with `jay_rnn`'s settings until an epoch's perplexity is 1.0214; of seqlab
everything is counted: reading, training, saving.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import torch

import seqlab
from benchmarks.interleaved import summary
from benchmarks.machine import describe
from benchmarks.timings import plain_epoch
from seqlab.data.preparation import prepare
from seqlab.registry import resolve

EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"
TARGET = 1.0214
MOST = 400  # epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    seeds, device = options.seeds, options.device
    plain, ours = [], []
    for seed in range(seeds):
        plain.append(_plain(seed, device))
        ours.append(_ours(seed, device))
        print(f"seed {seed}: {plain[-1]} {ours[-1]}", file=sys.stderr, flush=True)
    ratios = [own[1] / other[1] for own, other in zip(ours, plain, strict=True)]
    print(f"{describe(device)}; seeds 0 to {seeds - 1}; median (smallest – largest)\n")
    print(f"| until an epoch's perplexity is {TARGET} | epochs | seconds | ratio |")
    print("|---|---|---|---|")
    for name, attempts, share in (
        ("the textbook's loop", plain, ""),
        ("`jay_fast`", ours, summary(ratios, 3)),
    ):
        epochs = summary([epochs for epochs, _ in attempts], 0)
        seconds = summary([seconds for _, seconds in attempts], 1)
        print(f"| {name} | {epochs} | {seconds} | {share} |")


def _plain(seed: int, device: str) -> tuple[int, float]:
    resolved = resolve(
        seqlab.read_experiment(EXPERIMENTS / "jay_rnn.yaml"), seqlab.load_plugins(local=False)
    )
    prepared = prepare(resolved)
    ids = torch.from_numpy(prepared.tokens.ids.astype("int64"))
    torch.manual_seed(seed)
    epoch = plain_epoch(ids, prepared.tokenizer.size, device)
    begun = time.perf_counter()
    for done in range(1, MOST + 1):
        if math.exp(epoch()) <= TARGET:
            return done, time.perf_counter() - begun
    return MOST, math.inf


def _ours(seed: int, device: str) -> tuple[int, float]:
    overrides = [f"train.seed={seed}", f"train.device={device}"]
    with tempfile.TemporaryDirectory() as root:
        begun = time.perf_counter()
        own_cache = mock.patch.dict(os.environ, SEQLAB_CACHE=f"{root}/cache")
        with own_cache, contextlib.redirect_stdout(io.StringIO()):
            run = seqlab.run(EXPERIMENTS / "jay_fast.yaml", overrides=overrides, root=root)
        seconds = time.perf_counter() - begun
        last = run.metrics[-1]
        reached = last["perplexity"] <= TARGET
        return last["epoch"] if reached else MOST, seconds if reached else math.inf


if __name__ == "__main__":
    main()
