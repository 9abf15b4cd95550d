"""Heads of a large vocabulary: time of a step, and memory, against the full softmax.

python -m benchmarks.large_vocabulary [--rounds N]

A step is the loss of a window, its gradients and a step of Adam, of the head alone. Targets are
drawn by Zipf's law. Memory is what a process of its own gains by two steps, at its highest: the
head, its gradient, the optimizer's state, activations.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch

import seqlab
from benchmarks.interleaved import here, interleave, ratio, summary
from benchmarks.machine import describe, process_memory
from seqlab.kernels import keep_freed_memory
from seqlab.training.loss import head_loss

VOCABULARY, SIZE, ROWS, WINDOW = 250_000, 256, 20, 35


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_vocabulary")
    parser.add_argument("--rounds", type=int, default=9, metavar="N")
    options = parser.parse_args()
    print(f"{describe()}; {VOCABULARY:,} tokens, outputs of {SIZE}, {ROWS * WINDOW} targets\n")
    print("| head | ms a step | of the full head's | MB | of the full head's |")
    print("|---|---|---|---|---|")
    names = ("linear", "adaptive_softmax")
    keep_freed_memory()  # as training does
    times = interleave([here(step(name)) for name in names], options.rounds)
    memory = [_memory(name) for name in names]
    for name, mine, megabytes in zip(names, times, memory, strict=True):
        cells = (summary(mine), ratio(mine, times[0]), f"{megabytes:,.0f}")
        print(f"| `{name}` | {' | '.join(cells)} | {megabytes / memory[0]:.2f} |")


def step(name: str, size: int = VOCABULARY) -> Callable[[], object]:
    """Return what trains a head of so many tokens by one step."""
    torch.manual_seed(0)
    registry = seqlab.load_plugins(local=False)
    counts = (1e6 / torch.arange(1, size + 1)).ceil().long()  # the most frequent: a million times
    vocabulary = seqlab.Vocabulary(size, lambda _: b"", counts.numpy)
    head: Any = registry.find("head", name).factory(SIZE, vocabulary)
    optimizer = registry.find("optimizer", "adam").factory(list(head.named_parameters()), lr=1e-3)
    hidden = torch.randn(ROWS, WINDOW, SIZE, requires_grad=True)
    targets = torch.multinomial(counts.double(), ROWS * WINDOW, replacement=True).view(ROWS, WINDOW)

    def one() -> None:
        loss: Any = head_loss(head, hidden, targets, 1 / targets.numel())[0]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return one


def _memory(name: str) -> float:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_gained, name).result()


def _gained(name: str) -> float:
    """The most memory in MB that two steps take, beyond that of imports and of compiled loops."""
    keep_freed_memory()
    step(name, 1000)()
    before = process_memory("VmRSS")
    train = step(name)
    for _ in range(2):
        train()
    return process_memory("VmHWM") - before


if __name__ == "__main__":
    main()
