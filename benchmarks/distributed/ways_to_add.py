"""Two ways to add gradients in one fixed tree, and the library's, whose order depends on the world.

Recursive doubling sends everything log2(W) times, each time to another rank. The other way cuts
everything in W chunks: each rank gets its chunk of all ranks, adds them as the tree does, and gives
the sum to all. That sends 2 (W - 1) / W times everything, in two rounds of W messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from benchmarks.distributed.network import Host, can_make_hosts, network
from benchmarks.distributed.workers import world_of
from benchmarks.interleaved import summary
from seqlab.distributed.tree import tree_sum
from seqlab.distributed.world import Partial, World

MEGABYTES, QUICK_MEGABYTES = (0.1, 1.0, 8.0, 64.0), (0.1, 1.0)
WORLDS, QUICK_WORLDS = (2, 4, 8), (2,)
RATES = (None, "1gbit")  # of the link of a host
ROUNDS, QUICK_ROUNDS = 9, 2


def table(quick: bool) -> Iterator[str]:
    """Milliseconds of each way, by size, number of ranks, and rate of the links."""
    megabytes, worlds = (QUICK_MEGABYTES, QUICK_WORLDS) if quick else (MEGABYTES, WORLDS)
    rounds = QUICK_ROUNDS if quick else ROUNDS
    yield f"Sums of float32 over ranks; ms, median (smallest – largest) of {rounds} rounds in turn"
    yield ""
    yield "| ranks | link | MB | recursive doubling | chunks | equal | torch's all-reduce |"
    yield "|---|---|---|---|---|---|---|"
    for size in worlds:
        for rate in RATES if can_make_hosts() else RATES[:1]:
            with ExitStack() as stack:
                hosts: list[Host] = stack.enter_context(network(size, rate)) if rate else []
                options = {"megabytes": megabytes}
                measure = stack.enter_context(world_of(size, "ways", 1, options, hosts))
                found = [measure() for _ in range(rounds + 1)][1:]
            for number in megabytes:
                yield _row(size, rate, number, [each[str(number)] for each in found])


def _row(size: int, rate: str | None, megabytes: float, found: list[dict[str, float]]) -> str:
    doubling, chunks, library = (
        summary([each[way] for each in found]) for way in ("doubling", "chunks", "library")
    )
    equal = "yes" if all(each["equal"] for each in found) else "no"
    return (
        f"| {size} | {rate or 'loopback'} | {megabytes:g} | {doubling} | {chunks} | {equal} |"
        f" {library} |"
    )


def each_way(world: World, megabytes: Sequence[float]) -> Callable[[], dict[str, Any]]:
    """Return what adds tensors of these sizes in each way: milliseconds, and equal bits."""
    generator = torch.Generator().manual_seed(world.rank)
    tensors = {str(m): torch.randn(int(m * 250_000), generator=generator) for m in megabytes}
    return lambda: {name: _compared(world, tensor) for name, tensor in tensors.items()}


def _compared(world: World, own: Tensor) -> dict[str, float]:
    doubling, one = _timed(partial(by_doubling, world), own.clone())
    chunks, other = _timed(partial(by_chunks, world), own.clone())
    library, _ = _timed(_by_library, own.clone())
    equal = torch.equal(one.view(torch.int32), other.view(torch.int32))
    return {"doubling": doubling, "chunks": chunks, "library": library, "equal": float(equal)}


def _timed(way: Callable[[Tensor], Tensor], own: Tensor) -> tuple[float, Tensor]:
    """Milliseconds from when all are ready until this rank has the sum; and the sum."""
    dist.barrier()
    begun = time.perf_counter()
    total = way(own)
    return 1e3 * (time.perf_counter() - begun), total


def by_doubling(world: World, own: Tensor) -> Tensor:
    """Add as a run does."""
    return world.sum(Partial((own,), torch.zeros(1, dtype=torch.float64))).gradients[0]


def by_chunks(world: World, own: Tensor) -> Tensor:
    """Add in chunks, each on the rank that it belongs to."""
    chunk = -(-own.numel() // world.size)
    padded = torch.nn.functional.pad(own, (0, world.size * chunk - own.numel()))
    of_all = torch.empty_like(padded)
    dist.all_to_all_single(of_all, padded)
    mine = tree_sum(of_all.view(world.size, chunk).unbind(), Tensor.add_)
    dist.all_gather_single(padded, mine)
    return padded[: own.numel()]


def _by_library(own: Tensor) -> Tensor:
    dist.all_reduce(own)
    return own
