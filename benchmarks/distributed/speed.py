"""How long a step takes on several processes, and what of it is the exchange."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from math import log2
from typing import Any

from benchmarks.distributed.network import Host, can_make_hosts, network
from benchmarks.distributed.workers import Measure, world_of
from benchmarks.interleaved import interleave, ratio, summary

SIZES = {"hidden": 512, "batch": 64, "window": 64}
QUICK_SIZES = {"hidden": 64, "batch": 16, "window": 16}
ROUNDS, QUICK_ROUNDS = 15, 2
WORLDS, QUICK_WORLDS = (1, 2, 4, 8), (1, 2)


def against_threads(quick: bool) -> Iterator[str]:
    """Two ranks of one thread and one process of two threads, in turn."""
    sizes, rounds = (QUICK_SIZES, QUICK_ROUNDS) if quick else (SIZES, ROUNDS)
    with ExitStack() as stack:
        two = stack.enter_context(world_of(2, "steps", 1, {**sizes, "shards": 2}))
        ones = {
            shards: stack.enter_context(world_of(1, "steps", 2, {**sizes, "shards": shards}))
            for shards in (1, 2)
        }
        measures = [two, *ones.values()]
        times = interleave([lambda m=m: m()["ms"] for m in measures], rounds)  # type: ignore[misc]
    yield f"`gru`, {_words(sizes)}; median (smallest – largest) of {rounds} rounds in turn"
    yield ""
    yield (
        "| 2 processes of 1 thread, `shards: 2`, ms a step | against 1 process of 2 threads |"
        " ratio |"
    )
    yield "|---|---|---|"
    for shards, theirs in zip(ones, times[1:], strict=True):
        yield (
            f"| {summary(times[0])} | `shards: {shards}`, {summary(theirs)} |"
            f" {ratio(times[0], theirs)} × |"
        )


def of_ranks(quick: bool) -> Iterator[str]:
    """The same run on 1, 2, 4 and 8 hosts: bytes, rounds, and the exchange's share of a step."""
    sizes, rounds = (QUICK_SIZES, QUICK_ROUNDS) if quick else (SIZES, ROUNDS)
    worlds = QUICK_WORLDS if quick else WORLDS
    where = "network namespaces of this machine" if can_make_hosts() else "processes, over loopback"
    yield f"`gru`, {_words(sizes)}, `shards: {worlds[-1]}`; {where}, one thread each"
    yield ""
    yield (
        "| ranks | ms a step | MB of gradients | rounds | MB sent by a rank, counted by its"
        " interface | share of the exchange, waiting included |"
    )
    yield "|---|---|---|---|---|---|"
    for size in worlds:
        yield _row(size, _measured(size, rounds, {**sizes, "shards": worlds[-1]}))


def _measured(size: int, rounds: int, options: dict[str, Any]) -> list[dict[str, Any]]:
    with ExitStack() as stack:
        hosts: list[Host] = []
        if size > 1 and can_make_hosts():
            hosts = stack.enter_context(network(size))
        measure: Measure = stack.enter_context(world_of(size, "steps", 1, options, hosts))
        return [measure() for _ in range(rounds + 1)][1:]


def _row(size: int, found: list[dict[str, Any]]) -> str:
    shares = [each["parts"].get("exchange", 0.0) / each["ms"] for each in found]
    sent = statistics.median(each["sent"] for each in found) if size > 1 else 0.0
    return (
        f"| {size} | {summary([each['ms'] for each in found])} |"
        f" {4e-6 * found[0]['parameters']:.1f} | {log2(size):.0f} | {1e-6 * sent:.1f} |"
        f" {statistics.median(shares):.0%} |"
    )


def _words(sizes: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sizes.items())
