"""The numbers of `seqlab.kernels.tuning`, tried below and above their values: prints two tables.

python -m benchmarks.thresholds [--rounds 15]

The first has operations by their compiled backend and by what torch has, against the work that
there is; the second has other values of a number against the one that is used.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial

import torch
from seqlab_plugins.cells.recurrent import GRU
from torch import Tensor

from benchmarks.interleaved import Step, here, interleave, ratio, summary
from benchmarks.machine import describe
from benchmarks.plain_model import language_model
from benchmarks.training_steps import REGISTRY
from seqlab.generation.generating import generate
from seqlab.kernels import keep_freed_memory, linear_scan, softmax_errors, tuning, use_kernels

LETTERS = "".join(chr(0x4E00 + index) for index in range(1027))
# What a value is tried against, and by which work. Rows and steps are those of generated texts.
OTHERS: dict[str, tuple[int, ...]] = {
    "ROWS_AT_ONCE": (64, 1024),
    "STEPS_AT_ONCE": (1, 512),
    "LOGARITHMS_AT_ONCE": (2**11, 2**21),
    "PREFIX_WINDOW": (64, 4096),
    "ATTENTION_CHUNK": (2, 8),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    keep_freed_memory()
    print(f"{describe()}; median (smallest – largest) of {rounds}\n")
    print("| operation | work | compiled, ms | by torch, ms | ratio |\n|---|---|---|---|---|")
    for name, size, step, plain in _operations():
        compiled = here(partial(_by, "numba", step))
        mine, theirs = interleave([compiled, here(partial(_by, plain, step))], rounds)
        _print(name, f"2^{size}", summary(mine), summary(theirs), ratio(mine, theirs))
    print("\n| number | value, ms | another value, ms | ratio |\n|---|---|---|---|")
    for name, work in _works().items():
        used = getattr(tuning, name)
        for other in OTHERS[name]:
            both = [here(partial(_with, name, value, work)) for value in (used, other)]
            mine, theirs = interleave(both, max(rounds // 3, 3))
            _print(
                name,
                f"{used:,}: {summary(mine)}",
                f"{other:,}: {summary(theirs)}",
                ratio(mine, theirs),
            )


def _print(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def _by(backend: str, step: Step) -> object:
    with use_kernels(backend):
        return step()


def _with(name: str, value: int, work: Step) -> None:
    used = getattr(tuning, name)
    setattr(tuning, name, value)
    try:
        work()
    finally:
        setattr(tuning, name, used)


def _operations() -> Iterator[tuple[str, int, Step, str]]:
    """Each with the exponent of its work, and what computes it without a compiler."""
    for rows, units, work in ((2, 32, 18), (4, 64, 21), (8, 64, 22), (16, 128, 25)):
        yield "a window of `gru`, forwards and back", work, _window(rows, units), "reference"
    for rows, work in ((1, 15), (2, 17), (4, 18), (16, 20)):
        yield "a scan, forwards and back", work, _scan(rows), "torch"
    for tokens, work in ((64, 16), (256, 18), (1024, 20)):
        yield "errors of logits", work, _errors(tokens), "reference"


def _window(rows: int, units: int) -> Step:
    gates, window = 3 * units, 21
    given = [torch.randn(*s) for s in ((window, rows, gates), (rows, units), (gates, units))]
    x, h, weight = (tensor.mul_(0.1).requires_grad_() for tensor in given)
    bias = torch.zeros(gates, requires_grad=True)
    return lambda: torch.autograd.backward(GRU.window(x, h, weight, bias)[0].sum())


def _scan(rows: int) -> Step:
    decay, inputs, initial = torch.rand(rows, 512, 128), torch.rand(rows, 512, 128), torch.rand(128)
    given: tuple[Tensor, ...] = decay.requires_grad_(), inputs, initial.expand(rows, 128)
    return lambda: torch.autograd.backward(linear_scan(*given).sum())


def _errors(tokens: int) -> Step:
    logits, bias = torch.randn(tokens, 1027), torch.zeros(1027)
    targets = torch.arange(tokens) % 1027
    return lambda: softmax_errors(logits, bias, targets)


def _works() -> dict[str, Step]:
    texts = _texts("sample")
    attention = REGISTRY.find("cell", "gated_linear_attention").factory(128, hidden_size=128)
    window = torch.randn(16, 256, 128)
    return {
        "ROWS_AT_ONCE": partial(texts, 1024, 8, 2),
        "STEPS_AT_ONCE": partial(texts, 1, 200, 2),
        "LOGARITHMS_AT_ONCE": partial(texts, 1, 200, 2),
        "PREFIX_WINDOW": partial(texts, 1, 1, 1000),
        "ATTENTION_CHUNK": lambda: torch.autograd.backward(attention(window, None)[0].sum()),
    }


def _texts(decoder: str) -> Callable[[int, int, int], object]:
    """Return what generates so many texts, of so many tokens, after prefixes of so many."""
    tokenizer = REGISTRY.find("tokenizer", "characters").factory()
    tokenizer.fit([LETTERS])
    chooser = REGISTRY.find("decoder", decoder).factory()
    make = partial(REGISTRY.find("cell", "rnn").factory, hidden_size=256)
    model = language_model(len(LETTERS), make)

    def texts(rows: int, length: int, prefix: int) -> object:
        prefixes = [LETTERS[row % 27 :][:prefix] for row in range(rows)]
        return generate(model, tokenizer, chooser, prefixes, length=length)

    return texts


if __name__ == "__main__":
    main()
