"""Batches of one optimizer step in -> clipped gradients out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from typing import NamedTuple, TypeAlias, overload

import torch
from torch import Tensor

from seqlab.contracts import State, Window
from seqlab.model.language_model import LanguageModel
from seqlab.model.segments import Segments, in_segments
from seqlab.model.state import carry, detach_state, reset_unless
from seqlab.training.layout import Layout
from seqlab.training.metrics import Sums, TokenSizes
from seqlab.training.norms import norms_of
from seqlab.training.objective import ModelObjective
from seqlab.training.precision import autocast
from seqlab.training.profiling import Phase


class DeviceBatch(NamedTuple):
    """A batch on the model's device; `continues` is one bool if all rows are equal."""

    inputs: Tensor
    targets: Tensor
    continues: bool | Tensor
    weights: Tensor | None
    starts: Tensor | None = None
    segments: Segments | None = None

    def total_weight(self) -> Tensor | float:
        """The sum of the weights of the targets."""
        if self.weights is None:
            return float(self.targets.numel())
        return self.weights.sum(dtype=torch.float64)

    def share(self, number: int, of: int) -> DeviceBatch:
        """Rows `number`, `number + of`, …: those of `Batch.share`."""
        rows = slice(number, None, of)
        weights = None if self.weights is None else self.weights[rows]
        continues = self.continues
        continues = continues[rows] if isinstance(continues, Tensor) else continues
        part = DeviceBatch(self.inputs[rows], self.targets[rows], continues, weights)
        if self.starts is None:
            return part
        starts = self.starts[rows]
        return part._replace(starts=starts, segments=Segments.of(starts.cpu(), starts.device))


Batches: TypeAlias = "tuple[DeviceBatch, ...]"
Weight: TypeAlias = "Tensor | float"


class Minimised(NamedTuple):
    """What batches gave besides gradients: the values of `Sums`, the loss, and the state."""

    sums: Tensor
    loss: Tensor  # (), float64
    state: State


class StepResult(NamedTuple):
    """What a step computed besides the gradients.

    `report` float64: the values of `Sums`, the gradient norm before clipping, and 1 if loss and
    norm are finite. `nonfinite`: 1.0 if they are not, for torch's fused optimizers, which then
    skip the step. `state`: after the last batch. `minimised`: what the gradients are of, float64.
    `norms` (P,) float64: of each gradient before clipping, if they are asked for.
    """

    report: Tensor
    nonfinite: Tensor
    state: State
    minimised: Tensor
    norms: Tensor | None = None


@dataclass
class Gradients:
    """Forward and backward pass of a step, as a function of tensors."""

    model: LanguageModel
    objective: ModelObjective
    sizes: TokenSizes
    precision: torch.dtype
    clip_norm: float | None
    compiled: bool  # by torch, below the head
    guarded: bool  # a state that is not finite is reset
    layout: Layout

    def __post_init__(self) -> None:
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        hidden = self.layout.through(self.model.hidden)
        self._hidden = torch.compile(hidden) if self.compiled else hidden

    @overload
    def __call__(
        self, phase: Phase, batches: Batches, state: State | None, measured: bool = False
    ) -> StepResult: ...
    @overload
    def __call__(
        self, phase: Phase, batches: Batches, state: State | None, measured: bool, part_of: Weight
    ) -> Minimised: ...
    def __call__(
        self,
        phase: Phase,
        batches: Batches,
        state: State | None,
        measured: bool = False,
        part_of: Weight | None = None,
    ) -> StepResult | Minimised:
        """Leave the gradients of all batches in the parameters, which must have none before.

        Args:
            phase: entered around each part of the work.
            batches: one or more.
            state: before the first one.
            measured: whether the norm of each gradient is in the result.
            part_of: the weight of the step, where these batches are only a part of it; what is
                left to do with the gradients is then done by `finished`.
        """
        model, objective = self.model, self.objective
        total = total_weight(batches) if part_of is None else part_of
        batch_sums, losses = [], []
        for batch in batches:
            inputs, targets, continues, weights, starts, segments = batch
            shares = (1 if weights is None else weights) / total
            window = Window(inputs, targets, weights, shares, starts)
            before, own = objective.split(carry(state, continues))
            with phase("forward"), autocast(model.device, self.precision):
                read = (
                    self._hidden
                    if segments is None
                    else partial(in_segments, self._hidden, segments)
                )
                hidden, after = read(inputs, before)
                loss, terms, own = objective.loss(hidden, window, batch.total_weight() / total, own)
            with phase("backward"):
                loss.backward()  # type: ignore[no-untyped-call] # torch's own
            state = detach_state(objective.joined(after, own), model.dtype)
            batch_sums.append(Sums.of(terms, window, self.sizes, total).values)
            losses.append(loss.detach().double())
        assert state is not None  # noqa: S101 # a step has at least one window
        summed = Minimised(reduce(add, batch_sums), reduce(add, losses), state)
        return summed if part_of is not None else self.finished(phase, summed, measured)

    def finished(self, phase: Phase, summed: Minimised, measured: bool) -> StepResult:
        """Clip the gradients that are in the parameters; report the step."""
        sums, loss, state = summed
        norms = self._norms() if measured else None
        with phase("clip"):
            grad_norm = self._clip()
        finite = torch.isfinite(grad_norm + sums[0])
        if self.guarded:
            state = reset_unless(finite, state)
        report = torch.cat((sums, torch.stack((grad_norm.double(), finite.double()))))
        return StepResult(report, finite.logical_not().float(), state, loss, norms)

    def _norms(self) -> Tensor:
        """The norm of each gradient; 0 where there is none."""
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        return norms_of(grads)

    def _clip(self) -> Tensor:
        """Clip the gradients to the largest norm; return the norm before."""
        grads = [p.grad for p in self.parameters if p.grad is not None]
        norm = self.layout.norm(grads)
        if self.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self.clip_norm, norm)
        return norm


def total_weight(batches: Sequence[DeviceBatch]) -> Tensor | float:
    """The weight of all targets of a step, more than 0."""
    total = sum(batch.total_weight() for batch in batches)
    return total.clamp(min=1e-12) if isinstance(total, Tensor) else total
