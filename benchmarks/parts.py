"""What the parts of a step take alone, and what some ways to do them take: prints a table.

python -m benchmarks.parts [--rounds 15]

Shapes are those of `benchmarks.steps`: 1,120 tokens of 32 rows, vocabulary 1,027, hidden 256.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

import torch
from seqlab_plugins.cells.recurrent import GRU, LSTM, RNN, Recurrent
from torch import Tensor

from benchmarks.interleaved import Row, Step, here, interleave, ratio, summary
from benchmarks.machine import describe
from benchmarks.training_steps import training_step
from seqlab.kernels import keep_freed_memory, product_in_lines, use_kernels
from seqlab.training.eager_optimizers import spare_compiler
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
    for row in (*_windows(rounds), *_threads(rounds)):
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
        times = interleave([here(work) for work, _ in works.values()], rounds)
        for (what, (_, wide)), durations in zip(works.items(), times, strict=True):
            rate = OPERATIONS * wide / statistics.median(durations) / 1e6
            limit = f"a product of 2048 × 2048, {peak:.0f} GFLOP/s"
            yield (
                f"{what}, {name}",
                summary(durations),
                limit,
                f"{rate:.0f} GFLOP/s, {rate / peak:.0%}",
            )
    hidden, weight = _drawn(torch.float32, (TOKENS, HIDDEN), (VOCABULARY, HIDDEN))
    yield _pair(
        "the logits' product, each row at a full line",
        partial(product_in_lines, hidden, weight.t()),
        "rows side by side",
        partial(torch.mm, hidden, weight.t()),
        rounds,
    )


def _pair(what: str, one: Step, against: str, other: Step, rounds: int) -> Row:
    mine, theirs = interleave([here(one), here(other)], rounds)
    return what, summary(mine), f"{against}, {summary(theirs)}", f"{ratio(mine, theirs)} ×"


def _peak(dtype: torch.dtype, rounds: int) -> float:
    square = torch.randn(2048, 2048).to(dtype)
    (times,) = interleave([here(partial(torch.mm, square, square))], max(rounds // 3, 3))
    return 2 * 2048**3 / statistics.median(times) / 1e6


def _output_layer(dtype: torch.dtype) -> Step:
    hidden, weight, errors = _drawn(
        dtype, (TOKENS, HIDDEN), (VOCABULARY, HIDDEN), (TOKENS, VOCABULARY)
    )

    def step() -> None:
        torch.mm(hidden, weight.t())
        torch.mm(errors, weight)
        torch.mm(errors.t(), hidden)

    return step


def _chain(dtype: torch.dtype) -> Step:
    weight, state, add = _drawn(dtype, (3 * HIDDEN, HIDDEN), (ROWS, HIDDEN), (ROWS, 3 * HIDDEN))

    def step() -> None:
        rows, gates = state, torch.empty_like(add)
        for _ in range(WINDOW):
            torch.addmm(add, rows, weight.t(), out=gates)
            rows = gates[:, :HIDDEN].contiguous()  # each waits for the one before

    return step


def _chain_back(dtype: torch.dtype) -> Step:
    weight, gates, add = _drawn(dtype, (3 * HIDDEN, HIDDEN), (ROWS, 3 * HIDDEN), (ROWS, HIDDEN))

    def step() -> None:
        total = torch.empty_like(add)
        for _ in range(WINDOW):
            torch.addmm(add, gates, weight, out=total)
            gates[:, :HIDDEN] = total  # each waits for the one before

    return step


def _windows(rounds: int) -> Iterator[Row]:
    """Windows, compiled and by their reference; an operation by torch's door and by ours."""
    for cell in (RNN, GRU, LSTM):
        name = f"`{cell.__name__.lower()}`, a window forwards and back, compiled"
        compiled, plain = (partial(_window, cell, backend) for backend in ("numba", "reference"))
        yield _pair(name, compiled(), "step by step", plain(), rounds)
    yield _pair("1,000 calls of a named operation", *_named_operation(), rounds)


def _window(cell: type[Recurrent], backend: str) -> Step:
    gates = cell.gates * HIDDEN
    h, c, weight = _drawn(torch.float32, (ROWS, HIDDEN), (ROWS, HIDDEN), (gates, HIDDEN))
    x, bias = torch.randn(WINDOW, ROWS, gates), torch.zeros(gates)
    given = [tensor.requires_grad_() for tensor in (x, weight, bias)]

    def step() -> None:
        with use_kernels(backend):
            outputs, _ = cell.window(given[0], (h, c) if cell is LSTM else h, *given[1:])
        torch.autograd.backward(outputs.sum())

    return step


def _named_operation() -> tuple[Step, str, Step]:
    """An operation of two products by `torch.library.custom_op`, and as autograd's function."""
    rows, weight = torch.randn(8, 8, requires_grad=True), torch.randn(8, 8, requires_grad=True)

    @torch.library.custom_op("seqlab_benchmarks::product", mutates_args=())
    def product(rows: Tensor, weight: Tensor) -> Tensor:
        return rows @ weight

    def keep(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG001 # torch's
        ctx.save_for_backward(*inputs)

    def back(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        rows, weight = ctx.saved_tensors
        return grad @ weight.t(), rows.t() @ grad

    product.register_autograd(back, setup_context=keep)

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, rows: Tensor, weight: Tensor) -> Tensor:
            keep(ctx, (rows, weight), rows)
            return rows @ weight

        backward = staticmethod(back)

    def called(function: Callable[[Tensor, Tensor], Tensor]) -> Step:
        return _often(lambda: torch.autograd.backward(function(rows, weight).sum()))

    return called(product), "as an autograd function", called(Product.apply)


def _often(work: Callable[[], object]) -> Step:
    def step() -> None:
        for _ in repeat(None, 1000):
            work()

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
