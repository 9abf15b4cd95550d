"""What leaves the gradients of a step in the parameters: of whole batches, or shard by shard.

Where each process has a share of the parameters, that is shard by shard, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from torch import Tensor

from seqlab.contracts import State
from seqlab.distributed.wishes import NONE, Wishes
from seqlab.distributed.world import World
from seqlab.experiment.sections import Train
from seqlab.randomness import derive, reseed
from seqlab.training.cuda_graphs import GraphReplay
from seqlab.training.fsdp_gradients import FsdpGradients
from seqlab.training.gradients import DeviceBatch, Gradients, StepResult
from seqlab.training.sharded_gradients import ShardedGradients

Compute: TypeAlias = Callable[..., StepResult]


class StepGradients(Protocol):
    """A step without its optimizer. `agreed` are the wishes of all processes in this step."""

    agreed: Wishes

    def begin(self) -> None:
        """Begin a step."""

    def reseed(self, number: int) -> None:
        """Seed the random numbers of a step, whose first batch has this number in the run."""

    def agree(self) -> None:
        """Agree before the gradients, where these are evaluated more than once."""

    @property
    def compute(self) -> Compute:
        """Leaves the gradients of all batches in the parameters, which must have none before.

        Called with a phase, the batches, what is carried, and whether norms are measured.
        """

    def parts(
        self, batches: Sequence[DeviceBatch], carried: Any
    ) -> Iterable[tuple[Sequence[DeviceBatch], State | None]]:
        """Return the windows that are computed together, and the state before them."""

    def own(self, state: State | None) -> Any:
        """Return what this process carries of the state of all rows."""

    def whole(self, carried: Any) -> State | None:
        """Return the state of all rows, on the first process."""


@dataclass
class WholeBatches:
    """A step of a run without shards."""

    compute: Compute
    seed: int
    wishes: Callable[[], Wishes]
    like: Tensor  # a parameter, whose device is the model's
    agreed: Wishes = NONE

    def begin(self) -> None:
        self.agreed = self.wishes()

    def reseed(self, number: int) -> None:
        reseed(derive(self.seed, "batch", number), self.like.device)

    def agree(self) -> None:
        pass

    def parts(
        self, batches: Sequence[DeviceBatch], carried: State | None
    ) -> Iterable[tuple[Sequence[DeviceBatch], State | None]]:
        return [(batches, carried)]

    def own(self, state: State | None) -> State | None:
        return state

    def whole(self, carried: State | None) -> State | None:
        return carried


def step_gradients(
    gradients: Gradients, settings: Train, world: World, wishes: Callable[[], Wishes]
) -> StepGradients:
    """Return what computes the gradients of steps, recorded as graphs if that is wanted."""
    as_graph = settings.cuda_graphs and gradients.model.device.type == "cuda"

    def recorded(function: Callable[..., Any]) -> Callable[..., Any]:
        return GraphReplay(function, gradients.parameters) if as_graph else function

    if gradients.layout.is_sharded:
        return FsdpGradients(gradients, settings.shards, settings.seed, world, wishes)
    if settings.shards == 1:
        like = gradients.parameters[0]
        return WholeBatches(recorded(gradients), settings.seed, wishes, like)
    return ShardedGradients(
        gradients, recorded(gradients), settings.shards, settings.seed, world, wishes
    )
