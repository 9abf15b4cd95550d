"""Processes that measure something whenever they are asked to, alone or as the ranks of a world."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks.distributed.launches import ROOT, python_path
from benchmarks.distributed.network import INTERFACE, Host

Measure = Callable[[], dict[str, Any]]
"""What the first rank found."""


class Worker:
    """A process that answers each line with a line of JSON.

    Args:
        command: of the process.
        environment: laid over that of this one.
        root: the folder of the code that it runs.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], root: Any) -> None:
        env = {**os.environ, "PYTHONPATH": python_path(root), **environment}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=env, cwd=root
        )

    def ask(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for what it found; lines of libraries are passed over.

        Raises:
            RuntimeError: it has ended.
        """
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return found
        raise RuntimeError(f"a process ended: exit code {self.process.wait()}")


@contextmanager
def world_of(
    size: int, kind: str, threads: int, options: Mapping[str, Any], hosts: Sequence[Host] = ()
) -> Iterator[Measure]:
    """Start the ranks of a world, inside the block.

    Args:
        size: how many there are; one is a run of one process.
        kind: what they measure: see `benchmarks.distributed.measuring`.
        threads: of each.
        options: of the measurement.
        hosts: where they are; none: all here.
    """
    common = _meeting(size, hosts) | {"OMP_NUM_THREADS": str(threads)}
    words = [kind, json.dumps(options)]
    command = [sys.executable, "-m", "benchmarks.distributed.measuring", *words]
    with ExitStack() as stack:
        ranks = []
        for rank in range(size):
            env = common | {"RANK": str(rank), "LOCAL_RANK": str(0 if hosts else rank)}
            there = hosts[rank].command(command) if hosts else command
            worker = Worker(there, env if size > 1 else common, ROOT)
            stack.callback(_end, worker)
            ranks.append(worker)
        for worker in ranks:
            worker.answer()  # it is ready
        yield lambda: _together(ranks)


def _meeting(size: int, hosts: Sequence[Host]) -> dict[str, str]:
    """What tells the ranks where they meet."""
    if size == 1:
        return {}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(1 if hosts else size),
        "TORCHELASTIC_RUN_ID": uuid.uuid4().hex,
        "MASTER_ADDR": hosts[0].address if hosts else "127.0.0.1",
        "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": INTERFACE if hosts else "lo",
    }


def _together(ranks: Sequence[Worker]) -> dict[str, Any]:
    for worker in ranks:
        worker.ask()
    first, *_ = [worker.answer() for worker in ranks]
    return first


def _end(worker: Worker) -> None:
    worker.process.kill()
    worker.process.wait()
