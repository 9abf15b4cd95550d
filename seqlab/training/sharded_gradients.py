"""Batches of one step, cut into shards -> clipped gradients out, the same for every world.

Shapes: B rows in a batch, S shards. Shard s has the rows s, s + S, … of every batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from seqlab.contracts import State
from seqlab.distributed.tree import TreeSum
from seqlab.distributed.wishes import NONE, Wishes
from seqlab.distributed.world import Partial, World, shards_of
from seqlab.model.state import leaves, map_state
from seqlab.randomness import derive, reseed
from seqlab.training.flat_gradients import FlatGradients, HeldGradients
from seqlab.training.gradients import DeviceBatch, Gradients, Minimised, StepResult, total_weight
from seqlab.training.profiling import Phase

ShardStates: TypeAlias = tuple[State, ...]
"""The carried state of each shard of this process; that of a shard without rows is empty."""


class ShardedGradients:
    """Forward and backward pass of a step, a shard at a time.

    Each window of each shard has its own random numbers, and begins with the buffers that the model
    has before the step; those of the first shard stay. Sums and gradients are added in one fixed
    tree over all shards, so they do not depend on the number of processes.

    Args:
        whole: computes a window, and finishes a step.
        of_window: computes a window: `whole`, or its recording.
        shards: S.
        seed: of the run.
        world: the processes.
        wishes: what this process tells all others with the next sum.
    """

    def __init__(
        self,
        whole: Gradients,
        of_window: Callable[..., Minimised],
        shards: int,
        seed: int,
        world: World,
        wishes: Callable[[], Wishes],
    ) -> None:
        self._whole, self._of_window = whole, of_window
        self._shards, self._seed, self._world, self._wishes = shards, seed, world, wishes
        self._own = shards_of(world, shards)
        self._held: HeldGradients = FlatGradients(whole.parameters)
        self._buffers = list(whole.model.buffers())
        self._first_batch = 0
        self._asked = False
        self.agreed = NONE

    def begin(self) -> None:
        self._asked, self.agreed = False, NONE

    def reseed(self, number: int) -> None:
        self._first_batch = number

    def agree(self) -> None:
        own = torch.tensor(self._wishes().numbers, dtype=torch.float64)
        own = own.to(self._whole.model.device)
        self._hear(self._world.sum(Partial((), own)).message)

    def _hear(self, numbers: Tensor) -> None:
        self._asked, self.agreed = True, Wishes.of(numbers.tolist())

    def compute(
        self,
        phase: Phase,
        batches: tuple[DeviceBatch, ...],
        carried: ShardStates | None,
        measured: bool = False,
    ) -> StepResult:
        """Leave the gradients of all batches, of all processes, in the parameters."""
        total, after = total_weight(batches), []
        tree = TreeSum(Partial.add)
        before = [buffer.clone() for buffer in self._buffers]
        first = before
        for shard, (parts, state) in zip(self._own, self.parts(batches, carried), strict=True):
            windows = list(zip(batches, parts, strict=True))
            leaf, state = self._of_shard(phase, windows, shard, total, state)
            tree.append(leaf)
            after.append(state)
            if shard == 0:
                first = [buffer.clone() for buffer in self._buffers]
            _restore(self._buffers, before)
        _restore(self._buffers, first)
        gradients, message = tree.total
        own = NONE if self._asked else self._wishes()
        wishes = message.new_tensor(own.numbers)
        with phase("exchange"):
            gradients, message = self._world.sum(Partial(gradients, torch.cat((message, wishes))))
            if self._buffers:
                self._world.give(self._buffers)
        parameters = len(self._whole.parameters)
        sizes = [len(message) - 1 - parameters - len(wishes), 1, parameters, len(wishes)]
        sums, loss, has, agreed = torch.split(message, sizes)
        if not self._asked:
            self._hear(agreed)
        if self.agreed.stop:
            _restore(self._buffers, before)
        self._held.put(gradients, has)
        return self._whole.finished(phase, Minimised(sums, loss.view(()), tuple(after)), measured)

    def _of_shard(
        self,
        phase: Phase,
        windows: Sequence[tuple[DeviceBatch, DeviceBatch]],
        shard: int,
        total: Tensor | float,
        state: State | None,
    ) -> tuple[Partial, State]:
        """Return what a shard adds to the sums, and its state after the last batch.

        `windows` are batches, and of each the rows of this shard.
        """
        device, leaf = self._whole.model.device, None
        for number, (batch, part) in enumerate(windows):
            if not len(part.inputs):
                self._without_rows(phase, batch, total)
                state = ()
                continue
            reseed(derive(self._seed, "batch", self._first_batch + number, shard), device)
            self._held.clear()
            one = self._of_window(phase, (part,), state, False, total)
            state = map_state(torch.clone, one.state)  # the next call of a recording overwrites it
            flat, has = self._held.take()
            message = torch.cat((one.sums, one.loss.view(1), has.to(device)))
            leaf = Partial(flat, message) if leaf is None else leaf.add(Partial(flat, message))
        assert state is not None  # noqa: S101 # a step has at least one window
        return leaf or self._nothing(), state

    def _without_rows(self, phase: Phase, batch: DeviceBatch, total: Tensor | float) -> None:
        """Compute nothing of a batch that has fewer rows than there are shards."""

    def _nothing(self) -> Partial:
        """What a shard without rows adds."""
        whole = self._whole
        numbers = 6 + len(whole.objective.columns.parts) + 1 + len(whole.parameters)
        message = torch.zeros(numbers, dtype=torch.float64, device=whole.model.device)
        return Partial(self._held.zeros(), message)

    def parts(
        self, batches: Sequence[DeviceBatch], carried: ShardStates | None
    ) -> Iterator[tuple[list[DeviceBatch], State | None]]:
        """Yield the windows of each shard of this process, and its state."""
        for place, shard in enumerate(self._own):
            windows = [batch.share(shard, self._shards) for batch in batches]
            yield windows, carried and carried[place]

    def own(self, state: State | None) -> ShardStates | None:
        """Cut a state of all rows into those of the shards of this process."""
        if state is None:
            return None
        return tuple(self._rows_of(shard, state) for shard in self._own)

    def _rows_of(self, shard: int, state: State) -> State:
        return map_state(lambda tensor: tensor[shard :: self._shards].clone(), state)

    def whole(self, carried: ShardStates | None) -> State | None:
        """Put the states of all shards together, in the order of the rows, on the first process."""
        gathered = None if carried is None else self._world.gather(carried)
        return None if gathered is None else interleaved(gathered)


def interleaved(states: Sequence[State]) -> State:
    """Return the state in which row r is that of shard r % S."""
    filled = [state for state in states if any(True for _ in leaves(state))]
    if not filled:
        return ()
    first = filled[0]
    if isinstance(first, Tensor):
        rows = sum(len(part) for part in filled if isinstance(part, Tensor))
        whole = first.new_empty(rows, *first.shape[1:])
        for shard, part in enumerate(states):
            if isinstance(part, Tensor):
                whole[shard :: len(states)] = part
        return whole
    nested = [state or ((),) * len(first) for state in states]
    return tuple(interleaved(parts) for parts in zip(*nested, strict=True))


@torch.no_grad()
def _restore(tensors: Sequence[Tensor], copies: Sequence[Tensor]) -> None:
    for tensor, copy in zip(tensors, copies, strict=True):
        tensor.copy_(copy)
