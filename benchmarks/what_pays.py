"""Every fast path with and without, in turns: prints a table.

python -m benchmarks.what_pays [--pairs 60]
NUMBA_DISABLE_JIT=1 python -m benchmarks.what_pays  # what is left without a compiler

A pair is one step (or one text) with the path and one without, in an order that alternates. The
ratio is the median over the pairs, and its 95 % interval is that of a median's order statistics.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import torch
from seqlab_plugins.cells.recurrent import GRU, LSTM, RNN, Recurrent

import seqlab
from benchmarks.machine import describe
from benchmarks.plain_model import language_model
from benchmarks.training_steps import REGISTRY, training_step
from seqlab.generation.generating import generate
from seqlab.kernels import Operation, product_in_lines, scan, softmax_errors

Work = Callable[[], object]
AnyOperation: TypeAlias = Operation[*tuple[Any, ...], Any]
CELLS: dict[str, type[Recurrent]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


@contextmanager
def _without(operation: AnyOperation) -> Iterator[None]:
    """Leave an operation to its reference, or to torch's own backend where it has one."""
    kept = operation.backends
    vars(operation)["backends"] = tuple(each for each in kept if each.name == "torch")
    try:
        yield
    finally:
        vars(operation)["backends"] = kept


def _pairs(operation: AnyOperation, work: Work, pairs: int) -> list[float]:
    """Seconds with over seconds without, pair by pair."""

    def timed() -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    def untimed() -> float:
        with _without(operation):
            return timed()

    untimed(), timed()
    ratios = []
    for number in range(pairs):
        both = (timed, untimed) if number % 2 else (untimed, timed)
        first, second = both[0](), both[1]()
        ratios.append(first / second if number % 2 else second / first)
    return ratios


def interval(values: list[float]) -> tuple[float, float, float]:
    """The median, and the 95 % interval of it by order statistics."""
    ordered, half = sorted(values), 0.98 * math.sqrt(len(values))
    middle = len(values) / 2
    low, high = max(math.floor(middle - half), 0), min(math.ceil(middle + half), len(values) - 1)
    return statistics.median(ordered), ordered[low], ordered[high]


def _words(vocabulary: int) -> Work:
    """An embedding of 200, two layers of LSTM 200, dropout 0.2."""
    settings = {"embedding": 200, "layers": 2, "dropout": 0.2}
    return training_step("lstm", settings, hidden=200, vocabulary=vocabulary, batch=20)


def _text(cell: str, rows: int, length: int = 400) -> Work:
    letters = "".join(chr(0x4E00 + index) for index in range(1027))
    tokenizer = REGISTRY.find("tokenizer", "characters").factory()
    tokenizer.fit([letters])
    greedy = REGISTRY.find("decoder", "greedy").factory()
    torch.manual_seed(0)
    make = partial(REGISTRY.find("cell", cell).factory, hidden_size=256)
    model = language_model(1027, make)
    prefixes = [letters[index : index + 2] for index in range(rows)]
    return lambda: generate(model, tokenizer, greedy, prefixes, length=length)


def _cases() -> Iterator[tuple[str, AnyOperation, str, Work]]:
    steps = {f"a step of `{cell}`": training_step(cell) for cell in CELLS}
    words = {f"a step over {size:,} words": _words(size) for size in (13_000, 33_000)}
    for cell in CELLS:
        name = f"a step of `{cell}`"
        yield "compiled windows", CELLS[cell].window, name, steps[name]
    for path, operation in (
        ("compiled errors of logits", softmax_errors),
        ("rows of logits at full lines", product_in_lines),
    ):
        for name, work in {**steps, **words}.items():
            yield path, operation, name, work
    for name, work in words.items():
        yield "oneDNN's layer", LSTM.layer, name, work
    for vocabulary, batch in ((1027, 8), (65, 16)):
        step = training_step("min_gru", vocabulary=vocabulary, batch=batch, window=256)
        name = f"a step of `min_gru`, window 256, {vocabulary:,} characters"
        yield "compiled scans", scan, name, step
    for cell in CELLS:
        for rows in (1, 64):
            name = f"{rows} × 400 greedy tokens of `{cell}`"
            yield "compiled greedy steps", CELLS[cell].greedy, name, _text(cell, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=60)
    pairs = parser.parse_args().pairs
    print(f"{describe()}; median (95 % interval) of {pairs} pairs\n")
    print("| path | work | with / without |\n|---|---|---|", flush=True)
    for path, operation, name, work in _cases():
        if "compiled" in path and seqlab.why_not_compiled():
            continue
        middle, low, high = interval(_pairs(operation, work, pairs))
        print(f"| {path} | {name} | {middle:.3f} ({low:.3f} – {high:.3f}) |", flush=True)


if __name__ == "__main__":
    main()
