"""The batches of a step: forwards to their loss, and backwards to gradients, which are clipped."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import NamedTuple

import torch
from torch import Tensor

from seqlab.contracts import State
from seqlab.model.language_model import LanguageModel
from seqlab.model.state import carry, detach_state, fresh_unless
from seqlab.training.loss import head_loss
from seqlab.training.metrics import Sums, TokenSizes
from seqlab.training.precision import autocast
from seqlab.training.profiling import Phase


class Window(NamedTuple):
    """A batch on the model's device; `continues` is a bool where its rows agree."""

    inputs: Tensor
    targets: Tensor
    continues: bool | Tensor
    weights: Tensor | None

    def total(self) -> Tensor | float:
        """Return the weight of all its targets."""
        if self.weights is None:
            return float(self.targets.numel())
        return self.weights.sum(dtype=torch.float64)


class Found(NamedTuple):
    """What came of the batches of a step, beside the gradients.

    `report` (8,) float64: the values of `Sums`, the gradients' norm before clipping, and whether
    loss and norm are finite. `wrong`: 1.0 if they are not, on which torch's fused optimizers skip a
    step. `state`: after the last batch.
    """

    report: Tensor
    wrong: Tensor
    state: State


class Gradients:
    """What a step does before its optimizer, as a function of tensors.

    Args:
        model: whose parameters are given their gradients.
        sizes: of every token, for bits per character and byte.
        precision: what the model computes in.
        clip_norm: largest global L2 norm of the gradients; None: they are not clipped.
        compiled: whether torch compiles what lies below the head.
        guarded: whether a state that is not finite is returned as a fresh one.
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

    def __call__(self, phase: Phase, windows: tuple[Window, ...], state: State | None) -> Found:
        """Leave the gradients in the parameters, which have none before.

        Args:
            phase: entered around each part.
            windows: each weighted by its share of the targets.
            state: before the first.
        """
        total = sum(window.total() for window in windows)
        if isinstance(total, Tensor):
            total = total.clamp(min=1e-12)
        sums = []
        for window in windows:
            values, state = self._backward(phase, window, total, state)
            sums.append(values)
        with phase("clip"):
            norm = self._clip()
        values = reduce(add, sums)
        finite = torch.isfinite(norm + values[0])
        assert state is not None  # noqa: S101 # a step has a window
        if self._guarded:
            state = fresh_unless(finite, state)
        report = torch.cat((values, torch.stack((norm.double(), finite.double()))))
        return Found(report, finite.logical_not().float(), state)

    def _backward(
        self, phase: Phase, window: Window, total: Tensor | float, state: State | None
    ) -> tuple[Tensor, State]:
        """Add the gradients of a batch; return the values of its `Sums`, and the state after."""
        inputs, targets, continues, weights = window
        own = self._head.weight
        with phase("forward"), autocast(own.device, self._precision):
            hidden, after = self._hidden(inputs, carry(state, continues))
            shares = (1 if weights is None else weights) / total
            loss, nats = head_loss(self._head, hidden, targets, shares)
        with phase("backward"):
            loss.backward()  # type: ignore[no-untyped-call] # torch's own
        return Sums.of(nats, targets, weights, self._sizes).values, detach_state(after, own.dtype)

    def _clip(self) -> Tensor:
        """Return the norm of the gradients, and shorten them to the largest that may be."""
        norm = torch.nn.utils.get_total_norm(
            [p.grad for p in self.parameters if p.grad is not None]
        )
        if self._clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self._clip_norm, norm)
        return norm
