"""Metrics of evaluations beside the loss. Shapes: N tokens, V vocabulary size."""

from __future__ import annotations

import torch
from torch import Tensor

import seqlab


class _Share:
    """The share of the targets, by weight, of which something is true."""

    def __init__(self) -> None:
        self._right = self._weight = 0.0

    def _add(self, right: Tensor, weights: Tensor) -> None:
        self._right += float((right * weights.double()).sum())
        self._weight += float(weights.double().sum())

    @property
    def _share(self) -> float:
        return self._right / self._weight


class Accuracy(_Share):
    """The share of the targets that are the most probable token."""

    names = ("accuracy",)

    def update(self, logits: Tensor, targets: Tensor, weights: Tensor) -> None:
        self._add(logits.argmax(-1) == targets, weights)

    def compute(self) -> dict[str, float]:
        return {"accuracy": self._share}


class TopK(_Share):
    """The share of the targets that are among the most probable tokens.

    Args:
        k: how many tokens these are; the number is reported as `top_5`, say.
    """

    def __init__(self, *, k: seqlab.Count = 5) -> None:
        super().__init__()
        self._k, self.names = k, (f"top_{k}",)

    def update(self, logits: Tensor, targets: Tensor, weights: Tensor) -> None:
        best = logits.topk(min(self._k, logits.shape[-1]), -1).indices  # (N, k)
        self._add((best == targets.unsqueeze(-1)).any(-1), weights)

    def compute(self) -> dict[str, float]:
        return {self.names[0]: self._share}


class CalibrationError:
    """How far the probability of the best guess is from the share that is right (Guo et al., 2017).

    The mean over bins of that probability, weighted by how many targets are in each.

    Args:
        bins: how many of equal width there are between 0 and 1.
    """

    names = ("calibration_error",)

    def __init__(self, *, bins: seqlab.Count = 15) -> None:
        self._sums = torch.zeros(3, bins, dtype=torch.float64)  # weight, probability, right

    def update(self, logits: Tensor, targets: Tensor, weights: Tensor) -> None:
        probability, guess = logits.float().softmax(-1).max(-1)  # (N,) each
        bins = self._sums.shape[1]
        place = (probability * bins).long().clamp(max=bins - 1).cpu()
        values = torch.stack((torch.ones_like(probability), probability, guess == targets))
        self._sums.index_add_(1, place, (values * weights).double().cpu())

    def compute(self) -> dict[str, float]:
        weight, probability, right = self._sums
        return {"calibration_error": float((probability - right).abs().sum() / weight.sum())}


@seqlab.hookimpl
def seqlab_register_metrics() -> dict[str, type]:
    return {"accuracy": Accuracy, "top_k": TopK, "calibration_error": CalibrationError}
