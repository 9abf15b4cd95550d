"""A process of a run that does not answer."""

from __future__ import annotations

from seqlab.errors import RunFailed


class Lost(RunFailed):
    """Another process has ended or hangs; its own words, if it has any, say why."""

    def __init__(self, rank: int, reason: str) -> None:
        super().__init__(f"rank {rank} does not answer: {reason:.200}")
        self.rank = rank
