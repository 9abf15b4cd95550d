"""What the processes of a run must have in common, compared before anything is built."""

from __future__ import annotations

import json
from typing import Any

import torch

import seqlab
from seqlab.distributed.process_world import ProcessWorld
from seqlab.errors import UsageError

BITS = ("threads", "capability")
"""What may differ, and then so do the last bits of numbers."""


def facts_here(experiment: str, device: torch.device) -> dict[str, Any]:
    """Return what decides about the numbers of this process; `experiment` is its hash."""
    return {
        "experiment": experiment,
        "seqlab": seqlab.__version__,
        "torch": torch.__version__,
        "device": device.type,
        "threads": torch.get_num_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
    }


def agree(world: ProcessWorld, own: dict[str, Any]) -> list[str]:
    """Compare the facts of all processes.

    Returns:
        A notice for each fact that may differ, and does.

    Raises:
        UsageError: one differs that may not.
    """
    notices = []
    for rank, text in enumerate(world.orders.exchange(json.dumps(own))):
        theirs = json.loads(text)
        for what, value in own.items():
            if theirs[what] == value:
                continue
            difference = f"rank {rank} has another {what} than rank {world.rank}: {theirs[what]}"
            if what not in BITS:
                raise UsageError(f"{difference}, not {value}; all processes need the same")
            notices.append(f"{difference}, not {value}, so other worlds have other last bits")
    return notices
