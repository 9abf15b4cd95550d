"""The two ways in which a run adds gradients, and the library's, whose order depends on the world.

See `seqlab.distributed.adding`. Links of a limited rate are what a network is; over loopback what
is copied costs as much as what is sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from benchmarks.distributed.network import Host, can_make_hosts, network
from benchmarks.distributed.workers import world_of
from benchmarks.interleaved import summary
from seqlab.distributed.adding import add_by_chunks, add_by_doubling
from seqlab.distributed.process_world import ProcessWorld
from seqlab.distributed.world import World

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
    assert isinstance(world, ProcessWorld)
    generator = torch.Generator().manual_seed(world.rank)
    tensors = {str(m): torch.randn(int(m * 250_000), generator=generator) for m in megabytes}
    return lambda: {name: _compared(world, tensor) for name, tensor in tensors.items()}


def _compared(world: ProcessWorld, own: Tensor) -> dict[str, float]:
    def by_doubling(tensor: Tensor) -> None:
        add_by_doubling([tensor], world.rank, world.size, world.exchange)

    def by_chunks(tensor: Tensor) -> None:
        add_by_chunks(tensor, world.rank, world.size, world.exchange)

    doubling, one = _timed(by_doubling, own.clone())
    chunks, other = _timed(by_chunks, own.clone())
    library, _ = _timed(dist.all_reduce, own.clone())
    equal = torch.equal(one.view(torch.int32), other.view(torch.int32))
    return {"doubling": doubling, "chunks": chunks, "library": library, "equal": float(equal)}


def _timed(way: Callable[[Tensor], object], own: Tensor) -> tuple[float, Tensor]:
    """Milliseconds from when all are ready until this rank has the sum; and the sum."""
    dist.barrier()
    begun = time.perf_counter()
    way(own)
    return 1e3 * (time.perf_counter() - begun), own
