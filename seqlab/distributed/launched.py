"""What a launcher, `seqlab run --workers` or torchrun, says to the processes that it starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from seqlab.errors import UsageError
from seqlab.remedies import Argument


@dataclass(frozen=True)
class Launched:
    """A process among those of a launch.

    Args:
        rank: of this process among all, from 0.
        size: how many there are.
        local_rank: of this process among those of its machine.
        local_size: how many its machine has.
        id: of the launch; `none` where torchrun was not given one.
        attempt: how often all processes were started again.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    id: str
    attempt: int

    @property
    def is_new(self) -> bool:
        """Whether no earlier attempt can have begun the run."""
        return self.attempt == 0


def launched(environment: Mapping[str, str] = os.environ) -> Launched | None:
    """Return what a launcher says; None: this process was started by itself."""
    if "TORCHELASTIC_RUN_ID" not in environment or "RANK" not in environment:
        return None
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    rank, size, local_rank, local_size = (int(environment[name]) for name in names)
    attempt = int(environment.get("TORCHELASTIC_RESTART_COUNT", "0"))
    id_ = environment["TORCHELASTIC_RUN_ID"]
    return Launched(rank, size, local_rank, local_size, id_, attempt)


def is_follower() -> bool:
    """Whether another process of the run shows how far it is."""
    here = launched()
    return here is not None and here.rank > 0


def check_workers(workers: int) -> None:
    """Raise UsageError unless so many processes can share a run: a tree adds their gradients."""
    if workers & (workers - 1):
        raise UsageError(f"{Argument('workers')} {workers}: should be a power of two, as 2 or 4 is")
