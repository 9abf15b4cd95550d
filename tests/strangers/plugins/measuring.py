"""A metric and a method of evaluation. Shapes: B rows, T window, N tokens, V vocabulary size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

import seqlab


class MeanRank:
    """The mean place of the target among all tokens, 1 being the most probable, and of its inverse.

    The two numbers are `mean_rank` and `reciprocal_rank`.
    """

    names = ("mean_rank", "reciprocal_rank")

    def __init__(self) -> None:
        self.sums = torch.zeros(3, dtype=torch.float64)

    def update(self, logits: Tensor, targets: Tensor, weights: Tensor) -> None:
        own = logits.gather(-1, targets.unsqueeze(-1))
        rank = 1.0 + (logits > own).sum(-1).double()
        values = torch.stack((torch.ones_like(rank), rank, 1 / rank))
        self.sums += (values * weights.double()).sum(-1).cpu()

    def compute(self) -> dict[str, float]:
        weight, rank, inverse = self.sums.tolist()
        return {"mean_rank": rank / weight, "reciprocal_rank": inverse / weight}


class DynamicEvaluation:
    """Learns from each window after it was scored: Krause et al., 2018, arXiv:1709.07432.

    Args:
        lr: learning rate of these steps.
    """

    def __init__(self, *, lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3) -> None:
        self.lr = lr

    def nats(self, model: nn.Module, batches: Iterable[seqlab.Batch]) -> Iterator[Tensor]:
        weights = [p for p in model.parameters() if p.requires_grad]
        state: seqlab.State | None = None
        for batch in batches:
            if state is not None:
                rows = torch.arange(len(batch.inputs), device=batch.inputs.device)
                state = seqlab.select_rows(state, rows)
                state = seqlab.map_state(partial(_kept, batch.continues), state)
            hidden, state = model.hidden(batch.inputs, state)
            state = seqlab.map_state(torch.Tensor.detach, state)
            counts = 1.0 if batch.weights is None else batch.weights
            loss, nats = seqlab.head_loss(model.head, hidden, batch.targets, counts)
            yield nats
            gradients = torch.autograd.grad(loss / nats.numel(), weights, allow_unused=True)
            with torch.no_grad():
                for weight, gradient in zip(weights, gradients, strict=True):
                    if gradient is not None:
                        weight.sub_(gradient, alpha=self.lr)


def _kept(continues: Tensor, part: Tensor) -> Tensor:
    """A part of a state whose rows that do not go on are zeros."""
    flags = continues.to(part.device).view(-1, *[1] * (part.dim() - 1))
    return torch.where(flags, part, torch.zeros_like(part))


@seqlab.hookimpl
def seqlab_register_metrics() -> dict[str, type[seqlab.Metric]]:
    return {"mean_rank": MeanRank}


@seqlab.hookimpl
def seqlab_register_evaluation_methods() -> dict[str, type[seqlab.EvaluationMethod]]:
    return {"descent": DynamicEvaluation}
