"""The processes of a run: one, or several that compute shards of its batches.

A run of one process is a world of one, whose sums are its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor

from seqlab.contracts import State

Order: TypeAlias = Literal["build", "load", "train", "evaluate", "hear", "sample", "state", "end"]


class Partial(NamedTuple):
    """What is added in a step: gradients, one flat tensor of each dtype, and a message, float64.

    The message is small: sums of the report, which parameters have a gradient, and wishes.
    """

    gradients: tuple[Tensor, ...]
    message: Tensor

    def add(self, other: Partial) -> Partial:
        """Add another one in place."""
        torch._foreach_add_([*self.gradients, self.message], [*other.gradients, other.message])
        return self


class World(Protocol):
    """The processes of a run; `rank` counts this one from 0, `size` all of them.

    `local_rank` counts this one among those of its machine; None: it is the only one.
    """

    @property
    def local_rank(self) -> int | None: ...

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    def sum(self, own: Partial) -> Partial:
        """Add the parts of all processes in the order of their ranks, as a tree."""

    def order(self, order: Order) -> None:
        """Ask something of the other processes, on the first one."""

    def give(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite tensors with those of the first process."""

    def give_bytes(self, data: bytes) -> bytes:
        """Return the bytes of the first process."""

    def answering(self) -> AbstractContextManager[None]:
        """Inside the block torch sends messages of its own; an error says who does not answer."""

    def answers(self) -> list[str]:
        """Wait for the answers of all other processes to an order."""

    def gather(self, states: Sequence[State]) -> Sequence[State] | None:
        """Return the states of the shards of all processes, in order, on the first one."""


@dataclass(frozen=True)
class Alone:
    """A run of one process."""

    rank: int = 0
    size: int = 1
    local_rank: int | None = None

    def sum(self, own: Partial) -> Partial:
        return own

    def order(self, order: Order) -> None:
        pass

    def give(self, tensors: Sequence[Tensor]) -> None:
        pass

    def give_bytes(self, data: bytes) -> bytes:
        return data

    def answering(self) -> AbstractContextManager[None]:
        return nullcontext()

    def answers(self) -> list[str]:
        return []

    def gather(self, states: Sequence[State]) -> Sequence[State]:
        return states


ALONE = Alone()


def shards_of(world: World, shards: int) -> range:
    """The shards that a process computes: a whole subtree of all of them."""
    each = shards // world.size
    return range(world.rank * each, (world.rank + 1) * each)
