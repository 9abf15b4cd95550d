"""Training steps against loops that a user would write, and against the machine's own limit.

python -m benchmarks.steps [--rounds 15]

Ratios are medians over rounds of five steps, taken in turn.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from functools import partial

import torch
from torch import nn

from benchmarks.machine import describe
from benchmarks.ours import REGISTRY, random_ids, training_step
from benchmarks.peers import StepGRU, WholeGRU, plain_step
from benchmarks.turns import Row, Step, against, elsewhere, here, in_turn, said
from seqlab.experiment.sections import Model
from seqlab.model.products import product
from seqlab.training.allocator import keep_freed_memory
from seqlab.training.eager import spare_compiler
from seqlab.training.precision import choose_precision

LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    spare_compiler()
    print(f"{describe()}; median (smallest – largest) of {rounds}\n")
    print("| what | ms | against | ratio |\n|---|---|---|---|")
    for row in _rows(rounds):
        print(f"| {' | '.join(row)} |", flush=True)


def _rows(rounds: int) -> Iterator[Row]:
    for cell in LAYERS:
        peer = elsewhere(partial(_plain, cell))
        for precision in ("float32", "auto"):
            ours = here(training_step(cell, precision=precision))
            yield against(f"`{cell}`, {precision}", ours, "the textbook's loop", peer, rounds)
    yield from _utilisation(rounds)
    yield against(
        "a GRU of one step, by `unroll`",
        here(training_step(StepGRU, Model(embedding=128))),
        "the same by `nn.GRU`",
        here(training_step(WholeGRU, Model(embedding=128))),
        rounds,
    )
    yield _scan(rounds)


def _plain(cell: str) -> Step:
    ids = torch.from_numpy(random_ids(1027, 40_000).astype("int64"))
    return plain_step(LAYERS[cell], ids, 1027)


def _utilisation(rounds: int) -> Iterator[Row]:
    """Six operations for each weight of a product and each token, over the peak of a product."""
    hidden, embedding, vocabulary, batch, window = 512, 128, 65, 64, 64
    weights = 3 * hidden * (hidden + embedding) + hidden * vocabulary
    for precision in ("float32", "auto"):
        step = training_step(
            "gru",
            Model(embedding=embedding),
            hidden=hidden,
            vocabulary=vocabulary,
            batch=batch,
            window=window,
            precision=precision,
        )
        dtype = choose_precision(precision, torch.device("cpu"))
        square = torch.randn(2048, 2048).to(dtype)
        kernels: list[Step] = [partial(kernel, square, square) for kernel in (torch.mm, product)]
        mine, *products = in_turn([here(each) for each in [step, *kernels]], rounds)
        done = 6 * weights * batch * window / statistics.median(mine) / 1e6
        peak = 2 * 2048**3 / min(map(statistics.median, products)) / 1e6
        yield (
            f"`gru` 512, batch 64, window 64, {precision}",
            said(mine),
            f"a product of 2048 × 2048 by torch's quicker kernel, {peak:.0f} GFLOP/s",
            f"{done:.0f} GFLOP/s, {done / peak:.0%}",
        )


def _scan(rounds: int) -> Row:
    """Forward and backward of minGRU over a window of 512, at once and one step at a time."""
    keep_freed_memory()  # as training does
    cell = REGISTRY.find("cell", "min_gru").factory(256, hidden_size=256)
    inputs = torch.randn(16, 512, 256)

    def at_once() -> None:
        outputs, _ = cell(inputs, None)
        torch.autograd.backward(outputs.sum())

    def stepping() -> None:
        state, outputs = None, []
        for one in torch.split(inputs, 1, 1):
            output, state = cell(one, state)
            outputs.append(output)
        torch.autograd.backward(torch.cat(outputs, 1).sum())

    mine, theirs = in_turn([here(at_once), here(stepping)], rounds)
    ratio = statistics.median(theirs) / statistics.median(mine)
    return (
        "`min_gru` by its scan, window 512",
        said(mine),
        f"step by step, {said(theirs)}",
        f"{ratio:.1f} times as fast",
    )


if __name__ == "__main__":
    main()
