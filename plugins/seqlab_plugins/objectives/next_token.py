"""Objectives that predict the next token, and nothing but their weights differs.

Shapes: B rows in a batch, T window, O size of hidden outputs, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

import seqlab

Factor = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class NextToken:
    """The next token, by maximum likelihood.

    Args:
        label_smoothing: share of each target that all tokens have in equal parts (Szegedy et al.,
            2016); what is then minimised is reported as `smoothed`.
        z_loss: factor of the squared logarithm of the softmax's divisor, which keeps logits small
            (Chowdhery et al., 2022).
        activation: factor of the mean square of what the head reads, after dropout (AR in Merity
            et al., 2018, arXiv:1708.02182).
        temporal_activation: factor of the mean square of the change of the last outputs from token
            to token, before dropout (TAR, there).
    """

    later_options = ("activation", "temporal_activation")

    def __init__(
        self,
        *,
        label_smoothing: seqlab.Share = 0.0,
        z_loss: Factor = 0.0,
        activation: Factor = 0.0,
        temporal_activation: Factor = 0.0,
    ) -> None:
        self._smoothing, self._z_loss = label_smoothing, z_loss
        self._penalties = {"activation": activation, "temporal_activation": temporal_activation}
        names = {"smoothed": label_smoothing, "z_loss": z_loss}
        self.parts = tuple(name for name, factor in names.items() if factor)

    @property
    def penalty_names(self) -> tuple[str, ...]:
        return tuple(name for name, factor in self._penalties.items() if factor)

    @property
    def penalties(self) -> Callable[[Tensor, Tensor], dict[str, Tensor]] | None:
        """Offered if there is one."""
        return self._penalised if self.penalty_names else None

    def _penalised(self, outputs: Tensor, hidden: Tensor) -> dict[str, Tensor]:
        """Means over the targets of a window, for outputs and hidden outputs (B, T, O)."""
        factors, change = self._penalties, outputs.float().diff(dim=1)  # (B, T - 1, O)
        still = outputs.new_zeros(())
        means = {
            "activation": hidden.float().square().mean(),
            "temporal_activation": change.square().mean() if change.numel() else still,
        }
        return {name: factors[name] * means[name] for name in self.penalty_names}

    def loss(self, hidden: Tensor, head: seqlab.Head, window: seqlab.Window) -> seqlab.Terms:
        if not self.parts:
            return seqlab.Terms(*seqlab.head_loss(head, hidden, window.targets, window.shares))
        logits = head(hidden).float()  # (B, T, V)
        divisor = logits.logsumexp(-1)
        nats = divisor - logits.gather(-1, window.targets.unsqueeze(-1)).squeeze(-1)
        smoothed = nats.lerp(divisor - logits.mean(-1), self._smoothing)
        parts = {
            "smoothed": (window.shares * smoothed).sum(),
            "z_loss": (window.shares * self._z_loss * divisor.square()).sum(),
        }
        total = parts["smoothed"] + parts["z_loss"]
        return seqlab.Terms(total, nats.detach(), tuple(parts[name] for name in self.parts))

    def score(self, hidden: Tensor, head: seqlab.Head, window: seqlab.Window) -> seqlab.Terms:
        nats, right = seqlab.head_scores(head, hidden, window.targets)
        if not self.parts:
            return seqlab.Terms((nats * window.shares).sum(), nats, (), right)
        return self.loss(hidden, head, window)._replace(nats=nats, right=right)


class AnswersOnly(NextToken):
    """The next token of answers: a corpus says which tokens these are, by weights.

    Corpora with a prompt and a completion, as `jsonl` has them, weight prompts by 0. In any other
    corpus every token would be an answer, which is refused.

    Args:
        label_smoothing: as in `next_token`.
        z_loss: as in `next_token`.
        activation: as in `next_token`.
        temporal_activation: as in `next_token`.
    """

    needs_weights = True


class HiddenAnswers(AnswersOnly):
    """The next token of answers, which are never read: an input that is one is the last id.

    For tasks in which an answer follows from all symbols before it, and much more easily from the
    answer before (state tracking, recall). The first token of a window is never an answer.

    Args:
        label_smoothing: as in `next_token`.
        z_loss: as in `next_token`.
    """

    def __init__(
        self,
        vocabulary: seqlab.Vocabulary,
        *,
        label_smoothing: seqlab.Share = 0.0,
        z_loss: Factor = 0.0,
    ) -> None:
        super().__init__(label_smoothing=label_smoothing, z_loss=z_loss)
        self._blank = int(vocabulary) - 1

    def prepare(self, batch: seqlab.Batch, uniform: Tensor) -> seqlab.Batch:
        assert batch.weights is not None  # noqa: S101 # it needs them
        answers = batch.weights[:, :-1] > 0  # of these the next inputs are the targets
        inputs = batch.inputs.clone()
        inputs[:, 1:].masked_fill_(answers, self._blank)
        return batch._replace(inputs=inputs)


class Unlikelihood:
    """The next token, and less of what was said before (Welleck et al., 2020).

    At each token, those that the window has up to it, but for the target, are made less probable.

    Args:
        factor: of -ln(1 - p) of every such token.
    """

    parts = ("unlikelihood",)

    def __init__(self, *, factor: Factor = 1.0) -> None:
        self._factor = factor

    def loss(self, hidden: Tensor, head: seqlab.Head, window: seqlab.Window) -> seqlab.Terms:
        logits = head(hidden).float().log_softmax(-1)  # (B, T, V)
        nats = -logits.gather(-1, window.targets.unsqueeze(-1)).squeeze(-1)
        length = window.inputs.shape[1]
        seen = window.inputs.unsqueeze(1).expand(-1, length, -1)  # (B, T, T): what came up to T
        less = -torch.log1p(-logits.gather(-1, seen).exp().clamp(max=1 - 1e-6))
        penalty = self._factor * (less * self._negative(window)).sum(-1)
        part = (window.shares * penalty).sum()
        return seqlab.Terms((window.shares * nats).sum() + part, nats.detach(), (part,))

    @staticmethod
    def _negative(window: seqlab.Window) -> Tensor:
        """(B, T, T): whether a token so far counts, each one once and no target."""
        inputs, length = window.inputs, window.inputs.shape[1]
        same = (inputs.unsqueeze(1) == inputs.unsqueeze(2)) & _one_document(window)  # (B, T, T)
        first = ~(same & torch.ones_like(same).tril(-1)).any(-1)  # (B, T)
        so_far = torch.ones(length, length, dtype=torch.bool, device=inputs.device).tril()
        target = inputs.unsqueeze(1) == window.targets.unsqueeze(2)
        return so_far & first.unsqueeze(1) & ~target & _one_document(window)


def _one_document(window: seqlab.Window) -> Tensor:
    """(B, T, T), or what broadcasts to it: whether two tokens are of one document of a row."""
    if window.starts is None:
        return torch.ones((), dtype=torch.bool, device=window.inputs.device)
    document = window.starts.long().cumsum(1)
    return document.unsqueeze(1) == document.unsqueeze(2)


@seqlab.hookimpl
def seqlab_register_objectives() -> dict[str, type]:
    return {
        "next_token": NextToken,
        "answers_only": AnswersOnly,
        "hidden_answers": HiddenAnswers,
        "unlikelihood": Unlikelihood,
    }
