"""What surrounds a run: the other processes of its launch, threads, deterministic operations."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from seqlab.distributed.agreement import agree, facts_here
from seqlab.distributed.joining import joined
from seqlab.distributed.launched import Launched
from seqlab.distributed.process_world import ProcessWorld
from seqlab.distributed.settings import using_threads
from seqlab.distributed.world import World
from seqlab.registry import Resolved
from seqlab.runs.description import experiment_hash
from seqlab.training.device import pick_device

log = logging.getLogger(__name__)


@contextmanager
def together(here: Launched | None, resolved: Resolved) -> Iterator[World]:
    """Meet the other processes of a launch, which must have the same settings and versions."""
    train = resolved.train
    device = pick_device(train.device, here.local_rank if here and here.size > 1 else None)
    with (
        using_threads(train.threads),
        deterministic(train.deterministic),
        joined(here, device) as world,
    ):
        if isinstance(world, ProcessWorld):
            for notice in agree(world, facts_here(experiment_hash(resolved), device)):
                log.warning(notice)
        yield world


@contextmanager
def deterministic(enabled: bool) -> Iterator[None]:
    """Have torch refuse nondeterministic operations inside the block."""
    if not enabled or torch.are_deterministic_algorithms_enabled():
        yield
        return
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)
