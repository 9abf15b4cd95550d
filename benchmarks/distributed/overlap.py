"""What it could gain to exchange gradients while the rest of them is computed.

An upper bound: a backward pass and an exchange of all gradients, one after the other and at the
same time. An exchange that waits for its gradients can gain no more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import torch
import torch.distributed as dist

from benchmarks.distributed.speed import QUICK_ROUNDS, QUICK_SIZES, ROUNDS, SIZES
from benchmarks.distributed.workers import world_of
from benchmarks.interleaved import summary
from seqlab.distributed.world import Partial, World

WORLDS, QUICK_WORLDS = (2, 4), (2,)


def table(quick: bool) -> Iterator[str]:
    """Milliseconds of a backward pass, of an exchange, of one after the other, and of both."""
    sizes, rounds = (QUICK_SIZES, QUICK_ROUNDS) if quick else (SIZES, ROUNDS)
    sizes_text = ", ".join(f"{name} {number}" for name, number in sizes.items())
    yield f"A layer like `gru`, {sizes_text}; one thread a process; ms, of {rounds} rounds in turn"
    yield ""
    yield (
        "| ranks | forward and backward | exchange | one after the other | at the same time |"
        " gain at most |"
    )
    yield "|---|---|---|---|---|---|"
    for size in QUICK_WORLDS if quick else WORLDS:
        with world_of(size, "overlap", 1, sizes) as measure:
            found = [measure() for _ in range(rounds + 1)][1:]
        columns = ("pass", "exchange", "turns", "together")
        cells = [summary([each[column] for each in found]) for column in columns]
        gain = summary([1 - each["together"] / each["turns"] for each in found])
        yield f"| {size} | {' | '.join(cells)} | {gain} |"


def both_ways(world: World, hidden: int, batch: int, window: int) -> Callable[[], dict[str, Any]]:
    """Return what measures a round; the rows of a batch are shared by all ranks."""
    torch.manual_seed(0)
    layer = torch.nn.GRU(hidden, hidden, num_layers=2, batch_first=True)
    inputs = torch.randn(batch // world.size, window, hidden)
    gradients = torch.randn(sum(parameter.numel() for parameter in layer.parameters()))

    def compute() -> None:
        layer.zero_grad()
        layer(inputs)[0].sum().backward()

    def exchange() -> None:
        world.sum(Partial((gradients.clone(),), torch.zeros(1, dtype=torch.float64)))

    def turns() -> None:
        compute()
        exchange()

    def together() -> None:
        other = Thread(target=exchange)
        other.start()
        compute()
        other.join()

    ways = {"pass": compute, "exchange": exchange, "turns": turns, "together": together}
    return lambda: {name: _timed(way) for name, way in ways.items()}


def _timed(way: Callable[[], None]) -> float:
    """Milliseconds until all ranks are done."""
    dist.barrier()
    begun = time.perf_counter()
    way()
    dist.barrier()
    return 1e3 * (time.perf_counter() - begun)
