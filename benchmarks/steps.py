"""Training steps against loops that a user would write, and against the machine's own limit.

python -m benchmarks.steps [--rounds 15] [--device cuda]

Ratios are medians over rounds of five steps, taken in turn.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from functools import partial
from itertools import product as product_of

import torch
from torch import nn

from benchmarks.interleaved import Row, Step, against, elsewhere, here, interleave, summary
from benchmarks.machine import describe
from benchmarks.peers import StepGRU, WholeGRU, plain_step
from benchmarks.training_steps import REGISTRY, random_ids, training_step
from seqlab.kernels import keep_freed_memory
from seqlab.training.eager_optimizers import spare_compiler
from seqlab.training.precision import choose_precision

REPLAYED = ", replayed"  # from a CUDA graph
LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    spare_compiler()
    print(f"{describe(options.device)}; median (smallest – largest) of {options.rounds}\n")
    print("| what | ms | against | ratio |\n|---|---|---|---|")
    for row in _rows(options.rounds, options.device):
        print(f"| {' | '.join(row)} |", flush=True)


def _rows(rounds: int, device: str) -> Iterator[Row]:
    ways = [False] if device == "cpu" else [False, True]  # launched one by one, and replayed
    for cell in LAYERS:
        peer = elsewhere(partial(_plain, cell, device))
        for precision, replayed in product_of(("float32", "auto"), ways):
            ours = here(
                training_step(cell, precision=precision, device=device, cuda_graphs=replayed)
            )
            name = f"`{cell}`, {precision}{REPLAYED * replayed}"
            yield against(name, ours, "the textbook's loop", peer, rounds)
    for precision, replayed in product_of(("float32", "auto"), ways):
        yield _utilisation(precision, replayed, device, rounds)
    whole = here(training_step(WholeGRU, {"embedding": 128}, device=device))
    for replayed in ways:
        steps = training_step(StepGRU, {"embedding": 128}, device=device, cuda_graphs=replayed)
        name = f"a GRU of one step, by `unroll`{REPLAYED * replayed}"
        yield against(name, here(steps), "the same by `nn.GRU`", whole, rounds)
    yield _scan(rounds, device)


def _plain(cell: str, device: str) -> Step:
    ids = torch.from_numpy(random_ids(1027, 40_000).astype("int64"))
    return plain_step(LAYERS[cell], ids, 1027, device)


def _utilisation(precision: str, replayed: bool, device: str, rounds: int) -> Row:
    """Six operations for each weight of a product and each token, over the peak of a product."""
    hidden, embedding, vocabulary, batch, window = 512, 128, 65, 64, 64
    weights = 3 * hidden * (hidden + embedding) + hidden * vocabulary
    step = training_step(
        "gru",
        {"embedding": embedding},
        hidden=hidden,
        vocabulary=vocabulary,
        batch=batch,
        window=window,
        precision=precision,
        device=device,
        cuda_graphs=replayed,
    )
    dtype = choose_precision(precision, torch.device(device))
    square = torch.randn(2048, 2048, device=device).to(dtype)
    mine, products = interleave([here(step), here(partial(torch.mm, square, square))], rounds)
    done = 6 * weights * batch * window / statistics.median(mine) / 1e6
    peak = 2 * 2048**3 / statistics.median(products) / 1e6
    return (
        f"`gru` 512, batch 64, window 64, {precision}{REPLAYED * replayed}",
        summary(mine),
        f"a product of 2048 × 2048, {peak:.0f} GFLOP/s",
        f"{done:.0f} GFLOP/s, {done / peak:.0%}",
    )


def _scan(rounds: int, device: str) -> Row:
    """Forward and backward of minGRU over a window of 512, at once and one step at a time."""
    keep_freed_memory()  # as training does
    cell = REGISTRY.find("cell", "min_gru").factory(256, hidden_size=256).to(device)
    inputs = torch.randn(16, 512, 256, device=device)

    def at_once() -> None:
        outputs, _ = cell(inputs, None)
        torch.autograd.backward(outputs.sum())

    def stepping() -> None:
        state, outputs = None, []
        for one in torch.split(inputs, 1, 1):
            output, state = cell(one, state)
            outputs.append(output)
        torch.autograd.backward(torch.cat(outputs, 1).sum())

    mine, theirs = interleave([here(at_once), here(stepping)], rounds)
    ratio = statistics.median(theirs) / statistics.median(mine)
    return (
        "`min_gru` by its scan, window 512",
        summary(mine),
        f"step by step, {summary(theirs)}",
        f"{ratio:.1f} times as fast",
    )


if __name__ == "__main__":
    main()
