"""What the parts of a step take alone, and what some ways to do them take: prints a table.

python -m benchmarks.parts [--rounds 15]

Shapes are those of `benchmarks.steps`: 1,120 tokens of 32 rows, vocabulary 1,027, hidden 256.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from types import ModuleType

import numpy as np
import torch
from seqlab_plugins import columns, cores, recurrences
from torch import Tensor
from torch.nn import functional

from benchmarks.machine import describe
from benchmarks.ours import training_step
from benchmarks.turns import Row, Step, here, in_turn, ratio, said
from seqlab import contiguous, outer, product, steady_linear
from seqlab.model.products import aligned_product
from seqlab.training import errors
from seqlab.training.allocator import keep_freed_memory
from seqlab.training.eager import spare_compiler
from seqlab.training.precision import choose_precision

TOKENS, ROWS, WINDOW, VOCABULARY, HIDDEN = 1120, 32, 35, 1027, 256
OPERATIONS = 2 * TOKENS * HIDDEN  # for each column of a product


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    spare_compiler()
    keep_freed_memory()
    print(f"{describe()}; median (smallest – largest) of {rounds}\n")
    print("| what | ms | against | ratio |\n|---|---|---|---|")
    with torch.no_grad():
        for row in _rows(rounds):
            print(f"| {' | '.join(row)} |", flush=True)
    for row in (*_compiled(rounds), *_threads(rounds)):
        print(f"| {' | '.join(row)} |", flush=True)


def _rows(rounds: int) -> Iterator[Row]:
    for dtype in dict.fromkeys((torch.float32, choose_precision("auto", torch.device("cpu")))):
        name = str(dtype).removeprefix("torch.")
        peak = _peak(dtype, rounds)
        works = {
            "the output layer's three products": (_output_layer(dtype), 3 * VOCABULARY),
            "a GRU's 35 products forwards": (_chain(dtype), 3 * HIDDEN),
            "a GRU's 35 products backwards": (_chain_back(dtype), 3 * HIDDEN),
        }
        times = in_turn([here(work) for work, _ in works.values()], rounds)
        for (what, (_, wide)), found in zip(works.items(), times, strict=True):
            rate = OPERATIONS * wide / statistics.median(found) / 1e6
            limit = f"a product of 2048 × 2048, {peak:.0f} GFLOP/s"
            yield f"{what}, {name}", said(found), limit, f"{rate:.0f} GFLOP/s, {rate / peak:.0%}"
    hidden, weight = _drawn(torch.float32, (TOKENS, HIDDEN), (VOCABULARY, HIDDEN))
    yield _pair(
        "the logits' product, each row at a full line",
        partial(aligned_product, hidden, weight.t()),
        "rows side by side",
        partial(product, hidden, weight.t()),
        rounds,
    )
    yield _pair(
        "W and its gradient transposed, GRU, on all cores",
        _copies(contiguous),
        "by torch's own copy",
        _copies(Tensor.contiguous),
        rounds,
    )
    yield from _generation(rounds)


def _pair(what: str, one: Step, against: str, other: Step, rounds: int) -> Row:
    mine, theirs = in_turn([here(one), here(other)], rounds)
    return what, said(mine), f"{against}, {said(theirs)}", f"{ratio(mine, theirs)} ×"


def _peak(dtype: torch.dtype, rounds: int) -> float:
    square = torch.randn(2048, 2048).to(dtype)
    kernels: list[Step] = [partial(kernel, square, square) for kernel in (torch.mm, product)]
    times = in_turn([here(kernel) for kernel in kernels], max(rounds // 3, 3))
    return 2 * 2048**3 / min(map(statistics.median, times)) / 1e6


def _output_layer(dtype: torch.dtype) -> Step:
    hidden, weight, errors = _drawn(
        dtype, (TOKENS, HIDDEN), (VOCABULARY, HIDDEN), (TOKENS, VOCABULARY)
    )

    def step() -> None:
        product(hidden, weight.t())
        product(errors, weight)
        outer(errors, hidden, dtype)

    return step


def _chain(dtype: torch.dtype) -> Step:
    weight, state, add = _drawn(dtype, (3 * HIDDEN, HIDDEN), (ROWS, HIDDEN), (ROWS, 3 * HIDDEN))

    def step() -> None:
        apply, rows, gates = steady_linear(weight), state, torch.empty_like(add)
        for _ in range(WINDOW):
            gates.copy_(add)
            apply.add_to(gates, rows)
            rows = gates[:, :HIDDEN].contiguous()  # each waits for the one before

    return step


def _chain_back(dtype: torch.dtype) -> Step:
    weight, gates, add = _drawn(dtype, (3 * HIDDEN, HIDDEN), (ROWS, 3 * HIDDEN), (ROWS, HIDDEN))

    def step() -> None:
        apply, total = steady_linear(weight.t()), torch.empty_like(add)
        for _ in range(WINDOW):
            total.copy_(add)
            apply.add_to(total, gates)
            gates[:, :HIDDEN] = total  # each waits for the one before

    return step


def _copies(copy: Callable[[Tensor], Tensor]) -> Step:
    (weight,) = _drawn(torch.float32, (3 * HIDDEN, VOCABULARY))
    columns = weight.t().contiguous()

    def step() -> None:
        copy(weight.t())
        copy(columns.t())

    return step


def _generation(rounds: int) -> Iterator[Row]:
    """The two products of a step of `rnn`, for one row by numpy and torch, for 64 laid out."""
    weights = _drawn(torch.float32, (HIDDEN, HIDDEN), (VOCABULARY, HIDDEN))
    one, many = _drawn(torch.float32, (1, HIDDEN), (64, HIDDEN))
    arrays = [weight.numpy().T for weight in weights]
    by_numpy = _often(lambda: [one.numpy() @ array for array in arrays])
    by_torch = _often(lambda: [functional.linear(one, weight) for weight in weights])
    what = "1,000 steps of one row: the two products by numpy"
    yield _pair(what, by_numpy, "by torch", by_torch, rounds)
    with _busy_process():
        yield _pair(f"{what}, beside a busy process", by_numpy, "by torch", by_torch, rounds)
    steady = [steady_linear(weight) for weight in weights]
    yield _pair(
        "1,000 steps of 64 rows: the two products, laid out",
        _often(lambda: [apply(many) for apply in steady]),
        "not laid out",
        _often(lambda: [many @ weight.t() for weight in weights]),
        rounds,
    )
    logits = torch.randn(64, VOCABULARY)
    yield _pair(
        "1,000 × argmax of 64 rows, by numpy",
        _often(lambda: np.argmax(logits.numpy(), -1)),
        "by torch",
        _often(lambda: logits.argmax(-1)),
        rounds,
    )


@contextmanager
def _busy_process() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


def _often(work: Callable[[], object]) -> Step:
    def step() -> None:
        for _ in repeat(None, 1000):
            work()

    return step


def _compiled(rounds: int) -> Iterator[Row]:
    """What loops are compiled for, by them and by torch's operations."""
    if cores.compiled() is None:
        return
    windows = {"elman": 1, "gated": 3, "long_short": 4}
    works: list[tuple[str, ModuleType, Step]] = [
        (f"`{name}`, a window of a recurrence forwards and back", recurrences, _window(name, gates))
        for name, gates in windows.items()
    ]
    works += [
        ("columns of W gathered, and their gradient, GRU", columns, _columns()),
        ("errors of logits, for the loss and its gradient", errors, _errors()),
    ]
    for what, module, work in works:
        before = module.COMPILED_FROM

        def with_limit(limit: int, module: ModuleType = module, work: Step = work) -> Step:
            def step() -> None:
                module.COMPILED_FROM = limit  # type: ignore[attr-defined] # each has it
                work()

            return step

        pair = with_limit(0), "by torch's operations", with_limit(sys.maxsize)
        yield _pair(f"{what}, compiled", *pair, rounds)
        module.COMPILED_FROM = before  # type: ignore[attr-defined] # as above


def _columns() -> Step:
    ids = torch.randint(VOCABULARY, (WINDOW, ROWS), generator=torch.Generator().manual_seed(0))
    weight, bias = _drawn(torch.float32, (3 * HIDDEN, VOCABULARY), (1, 3 * HIDDEN))
    weight.requires_grad_()

    def step() -> None:
        torch.autograd.backward(columns.columns(weight, bias[0], ids).sum())

    return step


def _errors() -> Step:
    targets = torch.randint(VOCABULARY, (TOKENS,), generator=torch.Generator().manual_seed(0))
    logits, bias = _drawn(torch.float32, (TOKENS, VOCABULARY), (1, VOCABULARY))
    return partial(errors.errors, logits, bias[0], targets)


def _window(name: str, gates: int) -> Step:
    state, memory, weight = _drawn(
        torch.float32, (ROWS, HIDDEN), (ROWS, HIDDEN), (gates * HIDDEN, HIDDEN)
    )
    projected = torch.randn(WINDOW, ROWS, gates * HIDDEN)
    for tensor in (state, memory, weight, projected):
        tensor.requires_grad_()

    def step() -> None:
        if name == "long_short":
            outputs, _ = recurrences.long_short(projected, (state, memory), weight)
        elif name == "gated":
            outputs = recurrences.gated(projected, state, weight, memory[0])
        else:
            outputs = recurrences.elman(projected, state, weight)
        torch.autograd.backward(outputs.sum())

    return step


def _threads(rounds: int) -> Iterator[Row]:
    """A step of `gru` on one thread and on two."""
    step = training_step("gru")

    def on(threads: int) -> Step:
        def work() -> None:
            torch.set_num_threads(threads)
            step()

        return work

    before = torch.get_num_threads()
    yield _pair("a step of `gru`, one thread", on(1), f"{before} threads", on(before), rounds)
    torch.set_num_threads(before)


def _drawn(dtype: torch.dtype, *shapes: tuple[int, int]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).mul_(0.05).to(dtype) for shape in shapes]


if __name__ == "__main__":
    main()
