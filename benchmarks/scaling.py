"""Training steps against the sizes of corpus, window and vocabulary, and their memory.

python -m benchmarks.scaling [--rounds 15]

Ratios are medians over rounds of five steps, taken in turn.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.machine import describe
from benchmarks.ours import REGISTRY, training_step
from benchmarks.turns import Row, Step, here, in_turn, ratio, said, timed
from seqlab.experiment.sections import Model
from seqlab.model.language_model import LanguageModel
from seqlab.training.eager import spare_compiler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--memory", choices=["ours", "whole"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    spare_compiler()
    if options.memory:
        print(_peak(options.memory))
        return
    print(f"{describe()}; median (smallest – largest) of {options.rounds}\n")
    print("| what | ms | against | ratio |\n|---|---|---|---|")
    for row in _rows(options.rounds):
        print(f"| {' | '.join(row)} |", flush=True)


def _rows(rounds: int) -> Iterator[Row]:
    yield from _corpora(rounds)
    yield from _windows(rounds)
    yield from _vocabularies(rounds)
    yield _memory()


def _corpora(rounds: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        sizes = [10**power for power in range(4, 10)]
        steps = []
        for size in sizes:
            ids = np.memmap(Path(folder, str(size)), np.uint16, "w+", shape=(size,))
            steps.append(here(training_step("rnn", ids=ids)))
        times = in_turn(steps, rounds)
        for size, found in zip(sizes, times, strict=True):
            yield (
                f"a corpus of {size:.0e} tokens",
                said(found),
                "1e4",
                f"{ratio(found, times[0])} ×",
            )


def _windows(rounds: int) -> Iterator[Row]:
    lengths = (35, 70, 140, 280)
    times = in_turn([here(training_step("rnn", window=length)) for length in lengths], rounds)
    for length, found in zip(lengths, times, strict=True):
        share = ratio(found, times[0])
        yield (
            f"a window of {length}",
            said(found),
            f"35: {length / 35:.0f} × the tokens",
            f"{share} ×",
        )


def _vocabularies(rounds: int) -> Iterator[Row]:
    """A learned embedding, so that the vocabulary shows in the output layer and the lookup."""
    for size in (100, 1_000, 10_000, 100_000):
        ours = training_step("rnn", Model(embedding=128), vocabulary=size)
        found, layer = in_turn([here(ours), here(_output_layer(size))], max(rounds // 3, 3))
        rest = statistics.median(found) - statistics.median(layer)
        layer_said = f"the output layer, its loss and Adam alone, {said(layer)}"
        yield f"a vocabulary of {size:,}", said(found), layer_said, f"{rest:+.1f} ms"


def _output_layer(size: int) -> Step:
    torch.manual_seed(0)
    head, embedding = nn.Linear(256, size), nn.Embedding(size, 128)
    parameters = [*head.parameters(), *embedding.parameters()]
    optimizer = torch.optim.Adam(parameters, fused=True)
    hidden, targets = torch.randn(32 * 35, 256), torch.randint(size, (32 * 35,))

    def step() -> None:
        optimizer.zero_grad()
        loss = functional.cross_entropy(head(hidden + embedding(targets).mean()), targets)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return step


def _memory() -> Row:
    """Peak resident memory of a process that takes three steps, over that before the first."""
    peaks = {which: _child(which) for which in ("ours", "whole")}
    return (
        "peak memory of a step, vocabulary 100,000",
        f"{peaks['ours']:.0f} MB",
        f"logits kept whole, {peaks['whole']:.0f} MB",
        f"{peaks['ours'] / peaks['whole']:.2f} ×",
    )


def _child(which: str) -> float:
    command = [sys.executable, "-m", "benchmarks.scaling", "--memory", which]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _peak(which: str) -> float:
    step = training_step("rnn", Model(embedding=128), vocabulary=100_000)
    if which == "whole":
        step = _whole_logits()
    before = _status("VmRSS")
    timed(step, 3)
    return _status("VmHWM") - before


def _whole_logits() -> Step:
    """The same model and optimizer in a loop that asks torch for the loss of all logits."""
    make = REGISTRY.find("cell", "rnn").factory
    lm = LanguageModel(100_000, lambda size: make(size, hidden_size=256), Model(embedding=128))
    optimizer = REGISTRY.find("optimizer", "adam").factory(list(lm.named_parameters()), lr=1e-3)
    ids = torch.randint(100_000, (32, 36))

    def step() -> None:
        optimizer.zero_grad()
        logits, _ = lm(ids[:, :-1], None)
        loss: Tensor = functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        nn.utils.clip_grad_norm_(lm.parameters(), 1e-2)
        optimizer.step()

    return step


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


if __name__ == "__main__":
    main()
