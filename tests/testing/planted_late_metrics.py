"""Metrics with one mistake each."""

from __future__ import annotations

import torch


class Confidence:
    """The mean probability of the targets; what the planted ones are made of."""

    names = ("confidence",)

    def __init__(self):
        self.sum = self.weight = 0.0

    def update(self, logits, targets, weights):
        self.sum += float((self.values(logits, targets) * weights).sum())
        self.weight += float(weights.sum())

    def values(self, logits, targets):
        probabilities = logits.double().softmax(-1)
        return probabilities.gather(-1, targets.unsqueeze(-1)).squeeze(-1)

    def compute(self):
        return {"confidence": self.sum / self.weight}


class MeanOfMeans(Confidence):
    """Averages the means of the calls, as if all had equally many targets."""

    def update(self, logits, targets, weights):
        self.sum += float((self.values(logits, targets) * weights).sum() / weights.sum())
        self.weight += 1


class LastCall(Confidence):
    """Keeps what the last call said."""

    def update(self, logits, targets, weights):
        self.sum = float((self.values(logits, targets) * weights).sum())
        self.weight = float(weights.sum())


class CountsPadding(Confidence):
    """Forgets the weights."""

    def update(self, logits, targets, weights):
        super().update(logits, targets, torch.ones_like(weights))


class DividesByTokens(Confidence):
    """Weighs its sum, and divides by the number of targets."""

    def compute(self):
        return {"confidence": self.sum / self.tokens}

    tokens = 0

    def update(self, logits, targets, weights):
        super().update(logits, targets, weights)
        self.tokens += int((weights > 0).sum())


class SumsOfAllInstances(Confidence):
    """Its sums belong to the class, so the next evaluation goes on with them."""

    sums = [0.0, 0.0]  # noqa: RUF012 # the mistake

    def update(self, logits, targets, weights):
        self.sums[0] += float((self.values(logits, targets) * weights).sum())
        self.sums[1] += float(len(targets))

    def compute(self):
        return {"confidence": self.sums[0] / self.sums[1]}


class NameWithASpace(Confidence):
    """A title instead of the name of a column."""

    names = ("mean confidence",)

    def compute(self):
        return {"mean confidence": self.sum / self.weight}


class BestOfTheRest(Confidence):
    """The margin to the third guess: in a vocabulary of two tokens there is none."""

    def values(self, logits, targets):
        probabilities = logits.double().softmax(-1)
        best = probabilities.topk(min(3, logits.shape[-1]), -1).values
        rest = best[:, 2:].sum(-1)
        return best[:, 0] / rest


class Spread(Confidence):
    """A standard deviation, which one target has not."""

    def __init__(self):
        super().__init__()
        self.all = []

    def update(self, logits, targets, weights):
        self.all.append(self.values(logits, targets)[weights > 0])

    def compute(self):
        values = torch.cat(self.all)
        distances = (values - values.mean()).square().sum()
        return {"confidence": float((distances / (len(values) - 1)).sqrt())}


class SumsInThePrecisionOfTheLogits(Confidence):
    """A sum in bfloat16 stands still after some hundred targets."""

    def update(self, logits, targets, weights):
        values = self.values(logits, targets) * weights
        self.sum = values.sum().to(logits.dtype) + self.sum
        self.weight += float(weights.sum())

    def compute(self):
        return {"confidence": float(self.sum) / self.weight}


class SoftmaxInPlace(Confidence):
    """Normalises the logits where they lie; the next metric reads what is left."""

    def values(self, logits, targets):
        logits -= logits.logsumexp(-1, keepdim=True)
        return logits.exp().gather(-1, targets.unsqueeze(-1)).squeeze(-1)


class BinsOnTheCpu(Confidence):
    """Compares with the edges of bins that are made on the CPU."""

    def values(self, logits, targets):
        edges = torch.linspace(0, 1, 11)
        return torch.bucketize(super().values(logits, targets), edges.double()) / 10
