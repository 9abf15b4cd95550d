"""Batches of one optimizer step in -> clipped gradients out."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import NamedTuple

import torch
from torch import Tensor

from seqlab.contracts import State
from seqlab.model.language_model import LanguageModel
from seqlab.model.state import carry, detach_state, reset_unless
from seqlab.training.loss import head_loss
from seqlab.training.metrics import Sums, TokenSizes
from seqlab.training.precision import autocast
from seqlab.training.profiling import Phase


class Window(NamedTuple):
    """A batch on the model's device; `continues` is one bool if all rows are equal."""

    inputs: Tensor
    targets: Tensor
    continues: bool | Tensor
    weights: Tensor | None

    def total_weight(self) -> Tensor | float:
        if self.weights is None:
            return float(self.targets.numel())
        return self.weights.sum(dtype=torch.float64)


class StepResult(NamedTuple):
    """What a step computed besides the gradients.

    `report` (8,) float64: the values of `Sums`, the gradient norm before clipping, and 1 if loss
    and norm are finite. `nonfinite`: 1.0 if they are not, for torch's fused optimizers, which then
    skip the step. `state`: after the last batch.
    """

    report: Tensor
    nonfinite: Tensor
    state: State


class Gradients:
    """Forward and backward pass of a step, as a function of tensors.

    Args:
        model: its parameters receive the gradients.
        sizes: of every token, for bits per character and byte.
        precision: of the model's computations.
        clip_norm: the largest gradient norm; None: no clipping.
        compiled: whether torch compiles the model below its head.
        guarded: whether a state that is not finite is reset.
    """

    def __init__(
        self,
        model: LanguageModel,
        sizes: TokenSizes,
        *,
        precision: torch.dtype,
        clip_norm: float | None,
        compiled: bool,
        guarded: bool,
    ) -> None:
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self._head = model.head
        self._hidden = torch.compile(model.hidden) if compiled else model.hidden
        self._sizes = sizes
        self._precision = precision
        self._clip_norm = clip_norm
        self._guarded = guarded

    def __call__(
        self, phase: Phase, windows: tuple[Window, ...], state: State | None
    ) -> StepResult:
        """Leave the gradients of all windows in the parameters, which must have none before."""
        weight = self._head.weight
        total = sum(window.total_weight() for window in windows)
        if isinstance(total, Tensor):
            total = total.clamp(min=1e-12)
        batch_sums = []
        for inputs, targets, continues, weights in windows:
            with phase("forward"), autocast(weight.device, self._precision):
                hidden, after = self._hidden(inputs, carry(state, continues))
                shares = (1 if weights is None else weights) / total
                loss, nats = head_loss(self._head, hidden, targets, shares)
            with phase("backward"):
                loss.backward()  # type: ignore[no-untyped-call] # torch's own
            state = detach_state(after, weight.dtype)
            batch_sums.append(Sums.of(nats, targets, weights, self._sizes).values)
        with phase("clip"):
            grad_norm = self._clip()
        sums = reduce(add, batch_sums)
        finite = torch.isfinite(grad_norm + sums[0])
        assert state is not None  # noqa: S101 # a step has at least one window
        if self._guarded:
            state = reset_unless(finite, state)
        report = torch.cat((sums, torch.stack((grad_norm.double(), finite.double()))))
        return StepResult(report, finite.logical_not().float(), state)

    def _clip(self) -> Tensor:
        """Clip the gradients to the largest norm; return the norm before."""
        grads = [p.grad for p in self.parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(grads)
        if self._clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self._clip_norm, norm)
        return norm
