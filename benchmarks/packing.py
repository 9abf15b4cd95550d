"""What it gains to pack short documents into rows: an epoch of each sampler, prints a table.

python -m benchmarks.packing [--rounds 5]

Documents are the lines of Python's own sources. Both samplers train the same targets once, each
document from a fresh state; batches have as many rows, and windows are as long.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import seqlab
from benchmarks.interleaved import Round, interleave, ratio, summary
from benchmarks.machine import describe
from seqlab.registry import resolve
from seqlab.runs.building import Parts, build

LINES, ROWS, WINDOW = 1_000, 32, 128
CELLS = {
    "gru": {"hidden_size": 128},
    "lstm": {"hidden_size": 128},
    "gated_linear_attention": {"hidden_size": 128, "key_size": 16},
    "causal_attention": {"hidden_size": 128},
}
REGISTRY = seqlab.load_plugins(local=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"{describe()}; median (smallest – largest) of {rounds}\n")
    print("| cell | packed, ms an epoch | one by one | ratio | steps | places that count |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "lines.jsonl")
        file.write_text("".join(json.dumps({"text": line}) + "\n" for line in _lines()))
        for cell, options in CELLS.items():
            both = [_parts(file, name, {"name": cell, **options}) for name in SAMPLERS]
            packed, plain = interleave([_epoch(parts) for parts in both], rounds)
            steps = " and ".join(str(len(parts.sampler)) for parts in both)
            shares = " and ".join(f"{_share(parts):.0%}" for parts in both)
            row = (f"`{cell}`", summary(packed), summary(plain), ratio(packed, plain))
            print(f"| {' | '.join((*row, steps, shares))} |", flush=True)


SAMPLERS = ("packed", "documents")


def _lines() -> Iterator[str]:
    """Lines of Python's sources that are not empty, without their indentation."""
    corpus = REGISTRY.find("corpus", "standard_library").factory()
    found = 0
    for document in corpus.documents("train"):
        for line in "".join(document).splitlines():
            if len(text := line.strip()) > 1 and found < LINES:
                found += 1
                yield text


def _parts(file: Path, sampler: str, cell: dict[str, object]) -> Parts:
    experiment = {
        "corpus": {"name": "jsonl", "path": str(file)},
        "sampler": {"name": sampler, "batch_size": ROWS, "window": WINDOW},
        "model": {"embedding": 64},
        "cell": cell,
        "optimizer": {"name": "adam", "lr": 1e-3},
        "train": {"epochs": 1_000},
    }
    return build(resolve(seqlab.read_experiment(experiment), REGISTRY))


def _epoch(parts: Parts) -> Round:
    """Return what trains one more epoch, in milliseconds."""
    training = parts.training

    def epoch() -> float:
        begun = time.perf_counter()
        for step in training.steps(parts.total_steps):
            if step.ends_epoch:
                break
        return 1e3 * (time.perf_counter() - begun)

    return epoch


def _share(parts: Parts) -> float:
    """The share of the places of an epoch that have a target."""
    batches = [parts.sampler.batch(0, index) for index in range(len(parts.sampler))]
    filled = sum(b.targets.numel() if b.weights is None else int(b.weights.sum()) for b in batches)
    return filled / sum(batch.targets.numel() for batch in batches)


if __name__ == "__main__":
    main()
