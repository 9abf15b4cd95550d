"""Two processes with a share of the parameters each, against one that has all: prints a table.

python -m benchmarks.fsdp [--steps 100] [--hidden 512] [--layers 4]

Bytes are those of parameters and of the optimizer's state, and those of all tensors that a process
holds after an optimizer step (gradients and carried state too, and what was read of the corpus).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from benchmarks.machine import describe

PLUGIN = '''
import gc, json, os
from pathlib import Path

import torch
from seqlab import hookimpl

def local(tensor):
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor

def size(tensors):
    """The bytes of the memory behind tensors, each counted once."""
    storages = (local(tensor).untyped_storage() for tensor in tensors)
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())

def living():
    for each in gc.get_objects():
        if issubclass(type(each), torch.Tensor):
            yield each

class Measured(torch.optim.AdamW):
    """Notes the bytes of each process in its tenth step."""

    steps = 0

    def step(self, closure=None):
        super().step(closure)
        self.steps += 1
        if self.steps == 10:
            parameters = [p for group in self.param_groups for p in group["params"]]
            states = [t for p in parameters for t in self.state[p].values() if t.dim()]
            sizes = size(parameters + states), size(living())
            path = Path(os.environ["BYTES"], os.environ.get("RANK", "0"))
            path.write_text(json.dumps(sizes))

def measured(parameters, *, lr: float = 1e-3):
    """AdamW with torch's fused kernel, as seqlab's own has it."""
    return Measured(parameters, lr=lr, fused=True)

@hookimpl
def seqlab_register_optimizers():
    return {"measured": measured}
'''


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--layers", type=int, default=4)
    options = parser.parse_args()
    model = f"{options.layers} layers of lstm {options.hidden}"
    print(f"{describe()}; {model}, {options.steps} steps\n")
    print("| what | one process | each of two, the larger | ratio or difference | bar |")
    print("|---|---|---|---|---|")
    with TemporaryDirectory() as folder:
        for row in _rows(Path(folder), options):
            print(f"| {' | '.join(row)} |", flush=True)


def _rows(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    (folder / "plugins").mkdir()
    (folder / "plugins" / "measuring.py").write_text(PLUGIN)
    experiment = folder / "fsdp.yaml"
    experiment.write_text(yaml.safe_dump(_experiment(options), allow_unicode=True))
    alone = _run(experiment, "alone")
    two = _run(experiment, "two", "--workers", "2", "--set", "train.sharding=parameters")
    names = "bytes of parameters and optimizer", "bytes of all tensors"
    bars = "at most 0.55", "none"
    for name, bar, one, *shares in zip(names, bars, *_bytes(alone), *_bytes(two), strict=True):
        share = max(shares)
        yield name, f"{one:,}", f"{share:,}", f"{share / one:.3f}", bar
    for one, other in zip(_losses(alone), _losses(two), strict=True):
        (what, before), (_, after) = one, other
        difference = abs(after - before) / before
        yield f"loss, {what}", f"{before:.9f}", f"{after:.9f}", f"{difference:.1e}", "1e-5"


def _experiment(options: argparse.Namespace) -> dict[str, object]:
    half = max(1, options.steps // 2)
    return {
        "corpus": {"name": "original_lyrics", "holdout": 0.1},
        "tokenizer": "bytes",
        "sampler": {"name": "consecutive", "batch_size": 8, "window": 32},
        "model": {"embedding": 128, "layers": options.layers, "dropout": 0.1},
        "cell": {"name": "lstm", "hidden_size": options.hidden},
        "optimizer": {"name": "measured", "lr": 1e-3, "clip_norm": 1.0},
        "train": {"steps": options.steps, "shards": 2, "threads": 1, "device": "cpu"},
        "evaluation": {"every": half},
    }


def _run(experiment: Path, name: str, *more: str) -> Path:
    """Run an experiment in a process of its own, or several; return its folder."""
    folder = experiment.parent / name
    sizes = experiment.parent / f"{name}-bytes"
    sizes.mkdir()
    command = [sys.executable, "-m", "seqlab", "run", experiment.name, "--run-dir", name, *more]
    environment = os.environ | {"BYTES": str(sizes)}
    subprocess.run(command, cwd=experiment.parent, env=environment, check=True, stderr=sys.stderr,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    return folder


def _bytes(run: Path) -> list[list[int]]:
    """The two sizes of each process."""
    notes = sorted(run.with_name(f"{run.name}-bytes").iterdir())
    return [json.loads(note.read_text()) for note in notes]


def _losses(run: Path) -> list[tuple[str, float]]:
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [(f"{row['split']} at step {row['step']}", row["loss"]) for row in rows]


if __name__ == "__main__":
    main()
