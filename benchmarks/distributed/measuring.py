"""What a process of `benchmarks.distributed.workers` measures; it prints a line for each it reads.

python -m benchmarks.distributed.measuring KIND OPTIONS
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.distributed.overlap import both_ways
from benchmarks.distributed.ways_to_add import each_way
from benchmarks.training_steps import training_loop
from seqlab.distributed.joining import joined
from seqlab.distributed.launched import launched
from seqlab.distributed.world import World
from seqlab.training.eager_optimizers import spare_compiler

STEPS = 5  # in a round


def main() -> None:
    kind, options = sys.argv[1:]
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    spare_compiler()
    with joined(launched(), torch.device("cpu")) as world:
        measure = KINDS[kind](world, **json.loads(options))
        print("{}", flush=True)
        for _ in sys.stdin:
            print(json.dumps(measure()), flush=True)
        os._exit(0)  # the others end as well, and not one after the other


def steps(world: World, **options: Any) -> Callable[[], dict[str, Any]]:
    """Return what takes a round of steps: milliseconds of each and of its parts, bytes sent."""
    seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def phase(name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        seconds[name] += time.perf_counter() - begun

    training = training_loop("gru", world=world, phase=phase, **options)
    size = sum(parameter.numel() for parameter in training.model.parameters())
    taken = training.steps(10**9)

    def measure() -> dict[str, Any]:
        next(taken)
        seconds.clear()
        sent, begun = _sent(), time.perf_counter()
        for _ in range(STEPS):
            next(taken)
        passed = time.perf_counter() - begun
        return {
            "ms": 1e3 * passed / STEPS,
            "parts": {name: 1e3 * value / STEPS for name, value in seconds.items()},
            "sent": (_sent() - sent) / STEPS,
            "parameters": size,
        }

    return measure


KINDS: dict[str, Callable[..., Callable[[], dict[str, Any]]]] = {
    "steps": steps,
    "ways": each_way,
    "overlap": both_ways,
}


def _sent() -> int:
    """Bytes that all interfaces of this host have sent."""
    lines = Path("/proc/self/net/dev").read_text("utf-8").splitlines()[2:]
    return sum(int(line.partition(":")[2].split()[8]) for line in lines)


if __name__ == "__main__":
    main()
