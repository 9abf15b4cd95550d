"""Training steps against the sizes of corpus, window and vocabulary, and their memory.

python -m benchmarks.scaling [--rounds 15] [--device cuda]

Ratios are medians over rounds of five steps, taken in turn.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.interleaved import Row, Step, here, interleave, ratio, summary, timed
from benchmarks.machine import describe, process_memory
from benchmarks.plain_model import language_model
from benchmarks.training_steps import REGISTRY, training_step
from seqlab.training.eager_optimizers import spare_compiler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--memory", choices=["ours", "whole"], help=argparse.SUPPRESS)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    spare_compiler()
    if options.memory:
        print(_peak(options.memory, options.device))
        return
    print(f"{describe(options.device)}; median (smallest – largest) of {options.rounds}\n")
    print("| what | ms | against | ratio |\n|---|---|---|---|")
    for row in _rows(options.rounds, options.device):
        print(f"| {' | '.join(row)} |", flush=True)


def _rows(rounds: int, device: str) -> Iterator[Row]:
    step = partial(training_step, "rnn", device=device, cuda_graphs=device != "cpu")
    yield from _corpora(step, rounds)
    yield from _windows(step, rounds)
    yield from _vocabularies(step, rounds, device)
    yield _memory(device)


def _corpora(step: Callable[..., Step], rounds: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        sizes = [10**power for power in range(4, 10)]
        steps = []
        for size in sizes:
            ids = np.memmap(Path(folder, str(size)), np.uint16, "w+", shape=(size,))
            steps.append(here(step(ids=ids)))
        times = interleave(steps, rounds)
        for size, durations in zip(sizes, times, strict=True):
            yield (
                f"a corpus of {size:.0e} tokens",
                summary(durations),
                "1e4",
                f"{ratio(durations, times[0])} ×",
            )


def _windows(step: Callable[..., Step], rounds: int) -> Iterator[Row]:
    lengths = (35, 70, 140, 280)
    times = interleave([here(step(window=length)) for length in lengths], rounds)
    for length, durations in zip(lengths, times, strict=True):
        share = ratio(durations, times[0])
        yield (
            f"a window of {length}",
            summary(durations),
            f"35: {length / 35:.0f} × the tokens",
            f"{share} ×",
        )


def _vocabularies(step: Callable[..., Step], rounds: int, device: str) -> Iterator[Row]:
    """A learned embedding, so that the vocabulary shows in the output layer and the lookup."""
    for size in (100, 1_000, 10_000, 100_000):
        ours = step({"embedding": 128}, vocabulary=size)
        durations, layer = interleave(
            [here(ours), here(_output_layer(size, device))], max(rounds // 3, 3)
        )
        rest = statistics.median(durations) - statistics.median(layer)
        layer_time = f"the output layer, its loss and Adam alone, {summary(layer)}"
        yield f"a vocabulary of {size:,}", summary(durations), layer_time, f"{rest:+.1f} ms"


def _output_layer(size: int, device: str) -> Step:
    torch.manual_seed(0)
    head, embedding = nn.Linear(256, size).to(device), nn.Embedding(size, 128).to(device)
    parameters = [*head.parameters(), *embedding.parameters()]
    optimizer = torch.optim.Adam(parameters, fused=True)
    hidden = torch.randn(32 * 35, 256, device=device)
    targets = torch.randint(size, (32 * 35,), device=device)

    def step() -> None:
        optimizer.zero_grad()
        loss = functional.cross_entropy(head(hidden + embedding(targets).mean()), targets)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return step


def _memory(device: str) -> Row:
    """Peak memory of a process that takes three steps, over that before the first."""
    peaks = {which: _child(which, device) for which in ("ours", "whole")}
    return (
        "peak memory of a step, vocabulary 100,000",
        f"{peaks['ours']:.0f} MB",
        f"logits kept whole, {peaks['whole']:.0f} MB",
        f"{peaks['ours'] / peaks['whole']:.2f} ×",
    )


def _child(which: str, device: str) -> float:
    command = [sys.executable, "-m", "benchmarks.scaling", "--memory", which, "--device", device]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _peak(which: str, device: str) -> float:
    step = training_step("rnn", {"embedding": 128}, vocabulary=100_000, device=device)
    if which == "whole":
        step = _whole_logits(device)
    if device != "cpu":
        before = torch.cuda.memory_allocated()
        timed(step, 3)
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    resident = process_memory("VmRSS")
    timed(step, 3)
    return process_memory("VmHWM") - resident


def _whole_logits(device: str) -> Step:
    """The same model and optimizer in a loop that asks torch for the loss of all logits."""
    make = REGISTRY.find("cell", "rnn").factory
    lm = language_model(100_000, lambda size: make(size, hidden_size=256), embedding=128).to(device)
    optimizer = REGISTRY.find("optimizer", "adam").factory(list(lm.named_parameters()), lr=1e-3)
    ids = torch.randint(100_000, (32, 36), device=device)

    def step() -> None:
        optimizer.zero_grad()
        logits, _ = lm(ids[:, :-1], None)
        loss: Tensor = functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        nn.utils.clip_grad_norm_(lm.parameters(), 1e-2)
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
