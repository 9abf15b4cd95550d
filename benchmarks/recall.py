"""Associative recall by attention and by an RNN of its size: prints the table of docs/recall.md.

python -m benchmarks.recall [--seeds 3]
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

EXPERIMENT = Path(__file__).resolve().parents[1] / "experiments" / "associative_recall.yaml"
PAIRS = (4, 8, 16)
STEPS = 1000
SIZES = {"causal_attention": 64, "rnn": 88}  # of embedding and outputs: parameters as good as equal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    print(f"{describe()}; {STEPS} steps; seeds 0 to {seeds - 1}; median (smallest – largest)\n")
    print("| cell | parameters |", " | ".join(f"{pairs} pairs" for pairs in PAIRS), "|")
    print("|---|---|" + "---|" * len(PAIRS))
    guessed = [sum(1 / left for left in range(1, pairs + 1)) / pairs for pairs in PAIRS]
    print("| guessing what is left | – |", " | ".join(f"{share:.3f}" for share in guessed), "|")
    for cell in SIZES:
        runs = [[_run(cell, pairs, seed) for seed in range(seeds)] for pairs in PAIRS]
        cells = [_cell([_accuracy(run) for run in row]) for row in runs]
        print(f"| `{cell}` | {_parameters(runs[0][0]):,} |", " | ".join(cells), "|", flush=True)


def _run(cell: str, pairs: int, seed: int) -> seqlab.Run:
    """Train on sequences that are no longer than their pairs and queries need."""
    print(f"{cell}, {pairs} pairs, seed {seed}", file=sys.stderr, flush=True)
    size, length = SIZES[cell], 4 * pairs + 4
    own = f", heads: 2, context: {length}" if cell == "causal_attention" else ""
    overrides = [
        f"corpus={{pairs: {pairs}, length: {length}, seed: {seed}}}",
        f"sampler.window={length}",
        f"model.embedding={size}",
        f"cell={{name: {cell}, hidden_size: {size}{own}}}",
        f"train={{steps: {STEPS}, seed: {seed}}}",
        f"evaluation.every={STEPS}",
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        return seqlab.run(EXPERIMENT, overrides=overrides, root=tempfile.mkdtemp())


def _accuracy(run: seqlab.Run) -> float:
    """Of the held-out split, at the end."""
    return float([row["accuracy"] for row in run.metrics if row["split"] == "valid"][-1])


def _parameters(run: seqlab.Run) -> int:
    return sum(parameter.numel() for parameter in run.model.parameters())


def _cell(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} ({min(values):.3f} – {max(values):.3f})"


if __name__ == "__main__":
    main()
