"""Which batches make which step, in which epoch.

An epoch of a sampler has as many batches as `batches(epoch)` says, or always `len`. A step has
`accumulate` batches, the last one of an epoch perhaps fewer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from seqlab.contracts import Sampler, offered
from seqlab.errors import PluginError


class Epochs:
    """The steps of a sampler's epochs; all numbers count from 0.

    Args:
        sampler: the sampler.
        accumulate: how many batches make a step.
    """

    def __init__(self, sampler: Sampler, accumulate: int) -> None:
        self._sampler, self._accumulate = sampler, accumulate
        self._ask = offered(sampler, "batches")
        self._steps_before, self._batches_before = [0], [0]  # of each epoch that was asked for

    def batches(self, epoch: int) -> int:
        """Return how many batches an epoch has."""
        if self._ask is None:
            return len(self._sampler)
        count = self._ask(epoch)
        if type(count) is not int or count < 1:
            name = type(self._sampler).__name__
            raise PluginError(
                f"sampler {name}: `batches({epoch})` should be an int of 1 or more, not {count!r}"
            )
        return count

    def steps(self, epoch: int) -> int:
        """Return how many steps an epoch has."""
        return -(-self.batches(epoch) // self._accumulate)

    def steps_before(self, epoch: int) -> int:
        """Return how many steps come before an epoch."""
        if self._ask is None:
            return epoch * self.steps(0)
        self._extend(lambda: len(self._steps_before) > epoch)
        return self._steps_before[epoch]

    def place(self, step: int) -> tuple[int, int]:
        """Return the epoch of a step, and its number there."""
        if self._ask is None:
            return divmod(step, self.steps(0))
        self._extend(lambda: self._steps_before[-1] > step)
        epoch = bisect_right(self._steps_before, step) - 1
        return epoch, step - self._steps_before[epoch]

    def indices(self, epoch: int, group: int) -> range:
        """Return the batches of a step, by their indices in its epoch."""
        first = group * self._accumulate
        return range(first, min(first + self._accumulate, self.batches(epoch)))

    def number(self, epoch: int, index: int) -> int:
        """Return how many batches come before one, from the start of the run."""
        if self._ask is None:
            return epoch * len(self._sampler) + index
        self._extend(lambda: len(self._batches_before) > epoch)
        return self._batches_before[epoch] + index

    def _extend(self, enough: Callable[[], bool]) -> None:
        """Ask for the epochs in order until there are enough."""
        while not enough():
            epoch = len(self._steps_before) - 1
            self._steps_before.append(self._steps_before[-1] + self.steps(epoch))
            self._batches_before.append(self._batches_before[-1] + self.batches(epoch))
