"""A launched process -> one of a world."""

from __future__ import annotations

import ctypes
import os
import signal
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore, TCPStore

from seqlab.distributed.launched import Launched
from seqlab.distributed.orders import Orders
from seqlab.distributed.process_world import ProcessWorld
from seqlab.errors import RunFailed

JOINING = timedelta(minutes=5)  # machines start at different times
DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux


def join(here: Launched, device: torch.device) -> ProcessWorld:
    """Meet the other processes of a launch.

    Raises:
        RunFailed: they cannot be reached.
    """
    end_with_launcher()
    try:
        store = PrefixStore(f"seqlab/{here.id}/{here.attempt}", _store(here))
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(
            backend, store=store, rank=here.rank, world_size=here.size, timeout=JOINING
        )
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        words = " ".join(str(error).split())
        raise RunFailed(f"the processes cannot meet at {where} ({words:.200})") from error
    return ProcessWorld(here.rank, here.size, Orders(store, here.rank), device)


def _store(here: Launched) -> TCPStore:
    """The store of the launcher, or, where it has none, of the first process."""
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    of_launcher = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    is_server = here.rank == 0 and not of_launcher
    return TCPStore(host, port, here.size, is_server, timeout=JOINING)


def end_with_launcher() -> None:
    """Have the system kill this process when its launcher dies, which else leaves it behind."""
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):  # on Linux
        libc.prctl(DIES_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:  # it died before
            os.kill(os.getpid(), signal.SIGKILL)
