"""The settings of a run on several processes: shards that they divide, and threads of each."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from seqlab.distributed.launched import Launched
from seqlab.errors import UsageError
from seqlab.experiment import Experiment
from seqlab.registry import Registry, Resolved, resolve
from seqlab.remedies import Argument

log = logging.getLogger(__name__)


def resolve_for(
    here: Launched | None, experiment: Experiment, registry: Registry
) -> tuple[Experiment, Resolved]:
    """Resolve an experiment, with as many shards as processes if it says nothing of shards.

    Raises:
        ExperimentError: the experiment is not valid.
        UsageError: the number of processes does not divide its shards.
    """
    resolved = resolve(experiment, registry)
    settings = list(_missing(here, resolved))
    if settings:
        experiment = experiment.overridden(settings)
        resolved = resolve(experiment, registry)
    check_processes(here.size if here else 1, resolved)
    return experiment, resolved


def _missing(here: Launched | None, resolved: Resolved) -> Iterator[str]:
    """The settings that several processes need and the experiment does not have."""
    train = resolved.train
    if here is None or here.size == 1:
        return
    if train.shards == 1 and not here.size & (here.size - 1):
        log.info("train.shards is %d, as many as there are processes", here.size)
        yield f"train.shards={here.size}"
    if train.threads is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        yield f"train.threads={max(1, (cores or 1) // here.local_size)}"


def check_processes(size: int, resolved: Resolved) -> None:
    """Raise UsageError unless the number of processes divides the shards."""
    shards = resolved.train.shards
    if shards % size == 0:
        return
    possible = [str(number) for number in _powers_of_two(shards)]
    if shards == 1:
        raise UsageError(
            f"{Argument('workers')}: {size} processes cannot share a run; a power of two can"
        )
    raise UsageError(
        f"{Argument('workers')}: {size} does not divide train.shards, which is {shards};"
        f" possible are {', '.join(possible)}"
    )


def check_launch_of(workers: int, resolved: Resolved) -> None:
    """Raise UsageError unless so many processes can share the run, before they are started."""
    if resolved.train.shards > 1:  # else it gets as many as there are processes
        check_processes(workers, resolved)


def _powers_of_two(most: int) -> Iterator[int]:
    number = 1
    while number <= most:
        yield number
        number *= 2


@contextmanager
def using_threads(number: int | None) -> Iterator[None]:
    """Compute with so many threads inside the block; None: as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
