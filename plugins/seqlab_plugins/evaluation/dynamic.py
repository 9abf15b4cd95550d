"""A model that learns from what it has scored. Shapes: B rows, T window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

import seqlab
from seqlab_plugins.evaluation.carrying import carried, counts

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Dynamic:
    """Dynamic evaluation: a step of gradient descent after each segment: Krause et al., 2018.

        w' = w - lr g + decay (w_0 - w)                                 sgd
        w' = w - lr g / (r + eps) + min(decay r / mean(r), 1) (w_0 - w)  rms

    arXiv:1709.07432. g is the gradient of the mean nats of a segment, after it was scored; r is the
    root of the mean squared gradient of each weight in segments of the training split. All rows
    adapt the same weights, so with fewer rows (`evaluation.rows`) numbers are better, and slower
    to get; published ones are of 1 row.

    Args:
        lr: learning rate.
        form: gradients as they are, or over r.
        decay: share of the way back to the trained weights in each step.
        segment: tokens of a row that are scored before each step; the last segment of a window
            may be shorter.
        eps: added to r.
        statistics: how many segments of the training split r is measured in.
    """

    def __init__(
        self,
        training: Callable[[], seqlab.Tokens],
        *,
        lr: Rate = 1e-3,
        form: Literal["sgd", "rms"] = "sgd",
        decay: Share = 0.0,
        segment: seqlab.Count = 5,
        eps: Rate = 1e-4,
        statistics: seqlab.Count = 200,
    ) -> None:
        self._training, self._lr, self._form, self._decay = training, lr, form, decay
        self._segment, self._eps, self._statistics = segment, eps, statistics

    def nats(self, model: Any, batches: Iterable[seqlab.Batch]) -> Iterator[Tensor]:
        weights = [p for p in model.parameters() if p.requires_grad]
        start = [w.detach().clone() for w in weights]
        roots = pulls = None
        if self._form == "rms":
            roots = self._roots(model, weights)
            pulls = self._pulls(roots)
        state: seqlab.State | None = None
        for batch in batches:
            parts = []
            for piece in _segments(batch, self._segment):
                state = carried(state, piece)
                nats, gradients, state = _scored(model, piece, state, weights)
                parts.append(nats)
                self._step(weights, gradients, start, roots, pulls)
            yield torch.cat(parts, 1)

    @torch.no_grad()
    def _step(
        self,
        weights: Sequence[Tensor],
        gradients: Sequence[Tensor],
        start: Sequence[Tensor],
        roots: Sequence[Tensor] | None,
        pulls: Sequence[Tensor] | None,
    ) -> None:
        for number, (w, g, before) in enumerate(zip(weights, gradients, start, strict=True)):
            back = before - w
            if roots is None or pulls is None:
                w.sub_(g, alpha=self._lr).add_(back, alpha=self._decay)
            else:
                scaled = g / (roots[number] + self._eps)
                w.sub_(scaled, alpha=self._lr).add_(pulls[number] * back)

    def _pulls(self, roots: Sequence[Tensor]) -> list[Tensor]:
        """The share of the way back of each weight: more where gradients are large."""
        mean = torch.stack([r.sum() for r in roots]).sum() / sum(r.numel() for r in roots)
        return [(self._decay * root / (mean + 1e-12)).clamp(max=1.0) for root in roots]

    def _roots(self, model: Any, weights: Sequence[Tensor]) -> list[Tensor]:
        """The root of the mean squared gradient of each weight in the training split."""
        tokens = self._training()
        length = min(self._segment, len(tokens) - 1)
        count = min(self._statistics, (len(tokens) - 1) // length)
        squares, state = [torch.zeros_like(w) for w in weights], None
        for number in range(count):
            batch = tokens.windows([number * length], length, continues=number > 0)
            batch = batch._replace(
                inputs=batch.inputs.to(weights[0].device),
                targets=batch.targets.to(weights[0].device),
                weights=None,
            )
            _, gradients, state = _scored(model, batch, carried(state, batch), weights)
            for square, gradient in zip(squares, gradients, strict=True):
                square.addcmul_(gradient, gradient, value=1 / count)
        return [square.sqrt() for square in squares]


def _scored(
    model: Any, batch: seqlab.Batch, state: seqlab.State | None, weights: Sequence[Tensor]
) -> tuple[Tensor, tuple[Tensor, ...], seqlab.State]:
    """Return the nats of a segment, the gradients of their mean, and the state after."""
    hidden, after = model.hidden(batch.inputs, state)
    shares = counts(batch).to(hidden.device)
    loss, nats = seqlab.head_loss(
        model.head, hidden, batch.targets, shares / shares.sum().clamp(min=1e-12)
    )
    gradients = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
    return nats, gradients, after


def _segments(batch: seqlab.Batch, length: int) -> Iterator[seqlab.Batch]:
    """Cut a batch into shorter ones that follow one another."""
    for first in range(0, batch.inputs.shape[1], length):
        part = slice(first, first + length)
        weights = None if batch.weights is None else batch.weights[:, part]
        continues = batch.continues if first == 0 else torch.ones_like(batch.continues)
        yield seqlab.Batch(batch.inputs[:, part], batch.targets[:, part], continues, weights)


@seqlab.hookimpl
def seqlab_register_evaluation_methods() -> dict[str, type]:
    return {"dynamic": Dynamic}
