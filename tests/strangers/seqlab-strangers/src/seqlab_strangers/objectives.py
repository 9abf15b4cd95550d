"""Objectives. Shapes: B rows, T window, O size of hidden outputs, V vocabulary size."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

import seqlab
from seqlab_strangers.around import AroundObjective

SEQLAB_API = 2
Factor = Annotated[float, Field(ge=0, allow_inf_nan=False)]
NEXT_TOKEN = seqlab.component("next_token")


class Focal:
    """The next token, easy ones counting less: Lin et al., 2017, arXiv:1708.02002.

    Args:
        gamma: the power of 1 - p that a token's nats are multiplied by; 0: plain likelihood.
    """

    parts = ("focal",)

    def __init__(self, *, gamma: Factor = 2.0) -> None:
        self.gamma = gamma

    def loss(self, hidden: Tensor, head: seqlab.Head, window: seqlab.Window) -> seqlab.Terms:
        logits = head(hidden).float().log_softmax(-1)  # (B, T, V)
        nats = -logits.gather(-1, window.targets.unsqueeze(-1)).squeeze(-1)
        focal = (1 - (-nats).exp()).clamp(min=1e-6) ** self.gamma * nats
        loss = (window.shares * focal).sum()
        return seqlab.Terms(loss, nats.detach(), (loss,))


class ActivationRegularised(AroundObjective):
    """Another objective, and hidden outputs that are small and change little.

    AR and TAR of Merity et al., 2018, arXiv:1708.02182.

    Args:
        inner: the objective.
        size: factor of the mean squared hidden output (AR).
        change: factor of its mean squared change from token to token (TAR).
    """

    def __init__(
        self,
        *,
        inner: seqlab.ObjectiveFactory = NEXT_TOKEN,
        size: Factor = 2.0,
        change: Factor = 1.0,
    ) -> None:
        super().__init__(inner())
        self.size, self.change = size, change

    @property
    def parts(self) -> tuple[str, ...]:
        return (*super().parts, "activation_size", "activation_change")

    @property
    def score(self) -> None:
        """There is no other way to score it: then `loss` is asked."""

    def loss(
        self,
        hidden: Tensor,
        head: seqlab.Head,
        window: seqlab.Window,
        state: seqlab.State | None,
    ) -> tuple[seqlab.Terms, seqlab.State]:
        terms, after = super().loss(hidden, head, window, state)
        shares = torch.as_tensor(window.shares, device=hidden.device).expand(hidden.shape[:2])
        size = self.size * (shares * hidden.float().square().mean(-1)).sum()
        both = torch.minimum(shares[:, 1:], shares[:, :-1])
        change = self.change * (both * hidden.float().diff(dim=1).square().mean(-1)).sum()
        parts = (*terms.parts, size, change)
        return terms._replace(loss=terms.loss + size + change, parts=parts), after


class InWindowContrast:
    """The next token among those of the window alone, as in contrastive coding.

    The tokens of the row are the candidates (van den Oord et al., 2018, arXiv:1807.03748), and the
    frequent ones count less, as in sampled softmax (Bengio and Senecal, 2008).

    Args:
        share: of the loss that the contrast has; the rest is plain likelihood.
    """

    parts = ("contrast",)

    def __init__(
        self,
        vocabulary: seqlab.Vocabulary,
        *,
        share: Annotated[float, Field(ge=0, le=1)] = 0.5,
    ) -> None:
        self.share = share
        counts = torch.as_tensor(vocabulary.counts, dtype=torch.float32) + 1
        self.frequency = (counts / counts.sum()).log()  # (V,)

    def loss(self, hidden: Tensor, head: seqlab.Head, window: seqlab.Window) -> seqlab.Terms:
        logits = head(hidden).float()  # (B, T, V)
        right = window.targets.unsqueeze(-1)
        nats = -logits.log_softmax(-1).gather(-1, right).squeeze(-1)
        corrected = logits - self.frequency.to(logits.device)
        there = torch.zeros_like(logits[:, 0]).scatter(1, window.targets, 1.0)  # (B, V)
        among = corrected.masked_fill(there.unsqueeze(1) == 0, -torch.inf)
        contrast = among.logsumexp(-1) - among.gather(-1, right).squeeze(-1)
        part = self.share * (window.shares * contrast).sum()
        likelihood = (1 - self.share) * (window.shares * nats).sum()
        return seqlab.Terms(likelihood + part, nats.detach(), (part,))


@seqlab.hookimpl
def seqlab_register_objectives() -> dict[str, type]:
    return {
        "focal": Focal,
        "activation_regularised": ActivationRegularised,
        "in_window_contrast": InWindowContrast,
    }
