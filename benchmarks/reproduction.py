"""The textbook's results, on the real lyrics: prints the tables of docs/reproduction.md.

python -m benchmarks.reproduction [--seeds 3]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import sys
import tempfile
from pathlib import Path

import seqlab
from benchmarks.machine import describe

EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"
EPOCHS = (50, 100, 150, 160, 200, 250)
NAMES = ("jay_rnn_as_published", "jay_rnn", "jay_lstm", "jay_gru")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    print(f"{describe()}; seeds 0 to {seeds - 1}; median (smallest – largest)\n")
    print("| experiment |", " | ".join(f"epoch {epoch}" for epoch in EPOCHS), "|")
    print("|---|" + "---|" * len(EPOCHS))
    print("| published | 10.66 | 1.309 | 1.070 | – | 1.035 | 1.021 |")
    for name in NAMES:
        runs = [run(name, seed) for seed in range(seeds)]
        curves = [{row["epoch"]: row["perplexity"] for row in run.metrics} for run in runs]
        cells = [_cell([curve[e] for curve in curves if e in curve]) for e in EPOCHS]
        print(f"| `{name}` |", " | ".join(cells), "|", flush=True)


def run(name: str, seed: int) -> seqlab.Run:
    print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
    source = EXPERIMENTS / f"{name}.yaml"
    overrides = [f"train.seed={seed}", "corpus.if_unavailable=null"]
    with contextlib.redirect_stdout(io.StringIO()):
        return seqlab.run(source, overrides=overrides, root=tempfile.mkdtemp())


def _cell(values: list[float]) -> str:
    if not values:
        return "–"
    return f"{statistics.median(values):.4f} ({min(values):.4f} – {max(values):.4f})"


if __name__ == "__main__":
    main()
