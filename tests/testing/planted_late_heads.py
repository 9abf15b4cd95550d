"""Heads with one mistake each."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

import seqlab


class Plain(nn.Module):
    """A matrix; what the planted ones are made of."""

    def __init__(self, input_size, vocabulary):
        super().__init__()
        self.outer = nn.Linear(input_size, vocabulary.size)

    def forward(self, hidden):
        return self.outer(hidden)


class PadsItsVocabulary(Plain):
    """A multiple of 64 is faster, but the further logits are given, too."""

    def __init__(self, input_size, vocabulary):
        super().__init__(input_size, vocabulary)
        self.outer = nn.Linear(input_size, -(-vocabulary.size // 64) * 64)


class ExponentialsWithoutAMaximum(Plain):
    """A mixture of two softmaxes, by exponentials that overflow."""

    def forward(self, hidden):
        logits = 10 * self.outer(hidden)
        one, two = (part.exp() / part.exp().sum(-1, keepdim=True) for part in (logits, -logits))
        return (0.5 * one + 0.5 * two).log()


class NormalisesOverTheWindow(Plain):
    """Takes the mean of all tokens' logits away, later ones included."""

    def forward(self, hidden):
        logits = self.outer(hidden)
        return logits - logits.flatten(0, -2).mean(0)


class MaximumOfAll(Plain):
    """Caps logits at the largest of the whole batch, so that tokens know of others."""

    def forward(self, hidden):
        logits = self.outer(hidden)
        return logits / logits.abs().max()


class LossOfTheMean(Plain):
    """Its loss is right, but its gradient is that of equal shares."""

    def loss(self, hidden, targets, shares):
        nats = functional.cross_entropy(self(hidden), targets, reduction="none")
        plain = nats.mean()
        return (nats.detach() * shares).sum() + plain - plain.detach(), nats.detach()


class LossWithoutShares(Plain):
    """Adds the nats up, whatever their shares."""

    def loss(self, hidden, targets, shares):
        nats = functional.cross_entropy(self(hidden), targets, reduction="none")
        return nats.sum(), nats.detach()


class LossWithoutItsBias(Plain):
    """The logits have a bias, the loss has not."""

    def loss(self, hidden, targets, shares):
        return seqlab.linear_loss(hidden, self.outer.weight, None, targets, shares)


class NatsWithAGradient(Plain):
    """What is reported keeps the graph of every step."""

    def loss(self, hidden, targets, shares):
        nats = functional.cross_entropy(self(hidden), targets, reduction="none")
        return (nats * shares).sum(), nats


class AlwaysFloat32(Plain):
    """Float32 logits of a model of float64."""

    def forward(self, hidden):
        return self.outer(hidden).float()


class PriorThatIsNoBuffer(Plain):
    """The logarithms of the counts, as an attribute that no `to` moves."""

    def __init__(self, input_size, vocabulary):
        super().__init__(input_size, vocabulary)
        self.prior = torch.tensor([*map(float, vocabulary.counts)]).log1p()

    def forward(self, hidden):
        return self.outer(hidden) + self.prior.to(hidden.dtype)


class UnusedTemperature(Plain):
    """Learns a temperature, and reads its value once."""

    def __init__(self, input_size, vocabulary):
        super().__init__(input_size, vocabulary)
        self.temperature = nn.Parameter(torch.ones(()))

    def forward(self, hidden):
        return self.outer(hidden) / self.temperature.item()


class ClustersNotSaved(Plain):
    """Which tokens belong together is drawn, and not saved."""

    def __init__(self, input_size, vocabulary):
        super().__init__(input_size, vocabulary)
        self.order = torch.randperm(vocabulary.size)

    def forward(self, hidden):
        return self.outer(hidden)[..., self.order]


class NoiseInEvaluation(Plain):
    """Gumbel noise, also where nothing is trained."""

    def forward(self, hidden):
        logits = self.outer(hidden)
        return logits - torch.rand_like(logits).clamp_min(1e-6).log().neg().log()


class CopiesTheTable(Plain):
    """Ties by copying: the two are equal until the first step."""

    def tie(self, embedding):
        if not getattr(embedding, "is_table", False):
            raise ValueError("needs a table")
        self.outer.weight.data.copy_(embedding.weight)


class TiesAnything(Plain):
    """Takes any `weight`, be it a table of vectors or not."""

    def tie(self, embedding):
        embedding.weight = self.outer.weight
