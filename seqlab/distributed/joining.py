"""A launched process -> one of a world."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch

from seqlab.distributed.launched import Launched
from seqlab.distributed.orders import Orders
from seqlab.distributed.process_world import ProcessWorld
from seqlab.distributed.world import ALONE, World
from seqlab.errors import RunFailed

JOINING = timedelta(minutes=5)  # machines start at different times
PATIENCE = 10  # seconds for one attempt to reach the store
WATCHED = 0.5  # seconds between two looks at whether the launcher lives


@contextmanager
def joined(here: Launched | None, device: torch.device) -> Iterator[World]:
    """Meet the other processes of a launch, if there is one; part from them after the block.

    Raises:
        RunFailed: they cannot be reached.
    """
    if here is None or here.size == 1:
        yield ALONE
        return
    import torch.distributed as dist

    _end_with_launcher()
    orders = Orders(_meet(here, device), here.rank, here.size)
    with orders.beating():
        yield ProcessWorld(here, orders, device)
    dist.destroy_process_group()


def _meet(here: Launched, device: torch.device) -> Any:
    """Make the process group; return the store of this attempt."""
    import torch.distributed as dist

    try:
        store = dist.PrefixStore(f"seqlab/{here.id}/{here.attempt}", _store(here))  # type: ignore[attr-defined]
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(
            backend, store=store, rank=here.rank, world_size=here.size, timeout=JOINING
        )
    except (OSError, RuntimeError, ValueError) as error:
        where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        words = " ".join(str(error).split())
        raise RunFailed(f"the processes cannot meet at {where} ({words:.200})") from error
    return store


def _store(here: Launched) -> Any:
    """The store of the launcher, or, where it has none, of the first process."""
    import torch.distributed as dist

    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    of_launcher = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    is_server = here.rank == 0 and not of_launcher
    if not is_server:
        _wait_for(host, port)
    return dist.TCPStore(host, port, here.size, is_server, timeout=JOINING)  # type: ignore[attr-defined]


def _wait_for(host: str, port: int) -> None:
    """Wait until the store can be reached; torch's own attempts fill the screen.

    Raises:
        OSError: the reason why it could not, when the time was over.
    """
    end = time.monotonic() + JOINING.total_seconds()
    while True:
        try:
            socket.create_connection((host, port), timeout=PATIENCE).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(WATCHED)
        else:
            return


def _end_with_launcher() -> None:
    """End this process when its launcher has died, which would leave it behind."""
    launcher = os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(WATCHED)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
