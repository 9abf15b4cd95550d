"""The step of an optimizer that evaluates loss and gradients by itself, once or more often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from seqlab.contracts import offered
from seqlab.errors import PluginError
from seqlab.model.state import map_state
from seqlab.training.gradients import StepResult


class NotFinite(Exception):
    """Ends the step of an optimizer, one of whose evaluations was not finite."""


def needs_closure(optimizer: Optimizer) -> bool:
    """Whether `step` takes a function that evaluates loss and gradients."""
    return bool(offered(optimizer, "needs_closure"))


def skips_by_flag(optimizer: Optimizer) -> bool:
    """Whether a flag on the device makes it skip a step: torch's fused kernels update all groups.

    One that needs a closure must know at once whether an evaluation is finite.
    """
    fused = all(group.get("fused") for group in optimizer.param_groups)
    return fused and not needs_closure(optimizer)


@dataclass
class Closure:
    """Evaluates the batches of one step, each time from the same state and with the same chance.

    Each evaluation begins with the buffers that the model has before the step; in the end it has
    those of the first evaluation, as it would have after a step of any other optimizer.

    Args:
        evaluate: leaves gradients in the parameters, in place of those that they have.
        buffers: of the model.
    """

    evaluate: Callable[[], StepResult]
    buffers: Sequence[Tensor]
    evaluations: int = 0
    result: StepResult | None = field(default=None, init=False)  # the first, or one not finite
    failed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._before = self._after = _copies(self.buffers)

    def __call__(self) -> Tensor:
        """Return the loss, a number of float64; raise NotFinite if it or the gradient is not."""
        if self.failed:
            raise NotFinite
        _restore(self.buffers, self._before)
        with torch.enable_grad():
            result = self.evaluate()
        self.evaluations += 1
        self.failed = bool(result.nonfinite)
        if self.result is None or self.failed:
            self.result = _kept(result)
        if self.evaluations == 1:
            self._after = _copies(self.buffers)
        if self.failed:
            raise NotFinite
        return result.minimised

    def finish(self) -> StepResult | None:
        """Return the result of the first evaluation, or of that which was not finite."""
        _restore(self.buffers, self._after)
        return self.result


def step_with_closure(
    step: Callable[[Closure], Any],
    closure: Closure,
    optimizer: Optimizer,
    parameters: Sequence[Tensor],
    *,
    restore_state: bool,
) -> StepResult:
    """Take a step; if an evaluation is not finite, leave the weights as they were before it.

    Args:
        step: of the optimizer.
        closure: is given to it.
        optimizer: the optimizer.
        parameters: what it changes.
        restore_state: keep a copy of its state, too.
    """
    weights = _copies(parameters)
    state = deepcopy(optimizer.state_dict()) if restore_state else None
    with suppress(NotFinite):
        step(closure)
    result = closure.finish()
    if result is None:
        name = type(optimizer).__name__
        raise PluginError(f"the optimizer {name} says `needs_closure`, but its step calls none")
    if closure.failed:  # also where the optimizer went on
        _restore(parameters, weights)
        if state is not None:
            optimizer.load_state_dict(state)
    return result


def _kept(result: StepResult) -> StepResult:
    """A copy of a result: the next evaluation may overwrite it."""
    report, nonfinite, state, minimised, norms = result
    state = map_state(torch.clone, state)
    norms = norms if norms is None else norms.clone()
    return StepResult(report.clone(), nonfinite.clone(), state, minimised.clone(), norms)


def _copies(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in tensors]


@torch.no_grad()
def _restore(tensors: Sequence[Tensor], copies: Sequence[Tensor]) -> None:
    for tensor, copy in zip(tensors, copies, strict=True):
        tensor.copy_(copy)
