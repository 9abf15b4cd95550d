"""Each fast path with and without, in turns: prints a table.

python -m benchmarks.what_pays [--pairs 60]

A pair is one step (or one text) with the path and one without, in an order that alternates. The
ratio is the median over the pairs, and its 95 % interval is that of a median's order statistics.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from seqlab_plugins import columns, recurrences, steps, walks
from torch.nn import functional

import seqlab
from benchmarks.machine import describe
from benchmarks.ours import REGISTRY, training_step
from seqlab.experiment.sections import Model
from seqlab.generation.generating import generate
from seqlab.model import steady
from seqlab.model.dropout import Dropout
from seqlab.model.language_model import LanguageModel
from seqlab.training import errors, loss

Work = Callable[[], object]


def _plain_dropout(self: Dropout, values: torch.Tensor) -> torch.Tensor:
    return functional.dropout(values, self.p, self.training)


def _plain_tanh(values: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    return torch.tanh(values, out=out)


def _plain_transpose(matrix: torch.Tensor) -> torch.Tensor:
    return matrix.detach().contiguous()


def _by_tensors(take_step: Callable[..., Any], table: torch.Tensor) -> Callable[..., Any]:
    def take(ids: torch.Tensor, state: Any, recurrent: torch.Tensor) -> Any:
        return take_step(torch.embedding(table, ids), state, recurrent, steps.OF_TENSORS)

    return take


PATHS: dict[str, list[Any]] = {
    "compiled column gathering": [patch.object(columns, "_compiled_for", lambda *_: None)],
    "prepacked weights for many rows": [patch.object(steady, "_many_rows", lambda _: math.inf)],
    "16-bit dropout": [patch.object(Dropout, "forward", _plain_dropout)],
    "the aligned logits product": [patch.object(loss, "aligned_product", loss.product)],
    "compiled errors": [patch.object(errors, "COMPILED_FROM", 2**60)],
    "the compiled greedy walk": [
        patch("seqlab.generation.generating.greedy_walk", lambda *_: None)
    ],
    "compiled windows": [patch.object(recurrences, "COMPILED_FROM", 2**60)],
    "tanh as a sigmoid": [patch.object(walks, "tanh", _plain_tanh)],
    "copies transposed on all cores": [
        patch.object(module, "contiguous", _plain_transpose)
        for module in (columns, recurrences, loss, steady)
    ],
    "steps of few rows by numpy": [
        patch("seqlab_plugins.cells.step_of_ids", _by_tensors),
        patch.object(steady, "_few_rows", lambda _: 0),
    ],
}


@contextmanager
def _without(path: str) -> Iterator[None]:
    with ExitStack() as stack:
        for each in PATHS[path]:
            stack.enter_context(each)
        yield


def _pairs(path: str, work: Work, pairs: int) -> list[float]:
    """Milliseconds with over milliseconds without, pair by pair."""
    with _without(path):
        work()
    work()
    ratios = []
    for number in range(pairs):
        taken = {}
        for on in (number % 2 == 0, number % 2 == 1):
            with ExitStack() as stack:
                if not on:
                    stack.enter_context(_without(path))
                begun = time.perf_counter()
                work()
                taken[on] = time.perf_counter() - begun
        ratios.append(taken[True] / taken[False])
    return ratios


def interval(values: list[float]) -> tuple[float, float, float]:
    """The median, and the 95 % interval of it by order statistics."""
    ordered, half = sorted(values), 0.98 * math.sqrt(len(values))
    middle = len(values) / 2
    low, high = max(math.floor(middle - half), 0), min(math.ceil(middle + half), len(values) - 1)
    return statistics.median(ordered), ordered[low], ordered[high]


def _words(vocabulary: int) -> Work:
    """An embedding of 200, two layers of LSTM 200, dropout 0.2."""
    settings = Model(embedding=200, layers=2, dropout=0.2)
    return training_step("lstm", settings, hidden=200, vocabulary=vocabulary, batch=20)


def _text(cell: str, rows: int, decoder: str, length: int = 400) -> Work:
    letters = "".join(chr(0x4E00 + place) for place in range(1027))
    tokenizer = REGISTRY.find("tokenizer", "characters").factory()
    tokenizer.fit([letters])
    chooser = REGISTRY.find("decoder", decoder).factory()
    torch.manual_seed(0)
    make = partial(REGISTRY.find("cell", cell).factory, hidden_size=256)
    model = LanguageModel(1027, make, Model())
    prefixes = [letters[place : place + 2] for place in range(rows)]
    return lambda: generate(model, tokenizer, chooser, prefixes, length=length)


TRAINING: dict[str, Callable[[], Work]] = {
    "a step of `rnn`": partial(training_step, "rnn"),
    "a step of `lstm`": partial(training_step, "lstm"),
    "a step of `gru`": partial(training_step, "gru"),
    "a step over 13,000 words": partial(_words, 13_000),
    "a step over 33,000 words": partial(_words, 33_000),
}
WORDS = {name: make for name, make in TRAINING.items() if "words" in name}
GREEDY = {
    f"{rows} greedy by `{cell}`": partial(_text, cell, rows, "greedy")
    for cell, rows in (("rnn", 1), ("rnn", 64), ("lstm", 1), ("gru", 1), ("gru", 64))
}
SAMPLED = {
    f"{rows} sampled by `{cell}`": partial(_text, cell, rows, "sample")
    for cell, rows in (("rnn", 1), ("gru", 1), ("gru", 64))
}
WITHOUT_NUMBA = {f"{name}, without Numba": make for name, make in TRAINING.items()}
WORKS = {
    "prepacked weights for many rows": {**WITHOUT_NUMBA, **SAMPLED},
    "16-bit dropout": WORDS,
    "the aligned logits product": {**TRAINING, **WITHOUT_NUMBA},
    "the compiled greedy walk": GREEDY,
    "tanh as a sigmoid": WITHOUT_NUMBA,
    "copies transposed on all cores": {**TRAINING, **WITHOUT_NUMBA},
    "steps of few rows by numpy": SAMPLED,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=60)
    options = parser.parse_args()
    assert not seqlab.why_not_compiled()
    print(f"{describe()}; median (95 % interval) of {options.pairs} pairs\n")
    print("| path | work | with / without |\n|---|---|---|", flush=True)
    for path in PATHS:
        for name, make in WORKS.get(path, TRAINING).items():
            with ExitStack() as stack:
                if name in WITHOUT_NUMBA:
                    stack.enter_context(_without("compiled windows"))
                    stack.enter_context(_without("compiled errors"))
                    stack.enter_context(_without("compiled column gathering"))
                middle, low, high = interval(_pairs(path, make(), options.pairs))
            print(f"| {path} | {name} | {middle:.3f} ({low:.3f} – {high:.3f}) |", flush=True)


if __name__ == "__main__":
    main()
