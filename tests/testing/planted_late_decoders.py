"""Decoders with one mistake each that shows only with many rows, long texts or large numbers."""

from __future__ import annotations

import torch


class Draws:
    """Draws from the probabilities; what the planted ones are made of."""

    def choose(self, logits, history, uniform):
        sums = self.shares(logits.double(), history).cumsum(-1)
        return torch.searchsorted(sums, uniform[:, None] * sums[:, -1:], right=True)[:, 0]

    def shares(self, logits, history):
        return logits.softmax(-1)


class ChanceOfTheFirst32Rows(Draws):
    """Goes through rows 32 at a time, with the chance of the first ones."""

    def choose(self, logits, history, uniform):
        blocks = zip(logits.split(32), history.split(32), strict=True)
        choose = super().choose
        return torch.cat([choose(some, past, uniform[: len(some)]) for some, past in blocks])


class SortsInPlace(Draws):
    """Sorts the logits where they lie, to keep the best ten."""

    def choose(self, logits, history, uniform):
        width = min(10, logits.shape[1])
        best, ids = logits.topk(width)
        logits.copy_(logits.sort(dim=-1, descending=True).values)
        places = super().choose(best, history, uniform)
        return ids.gather(1, places[:, None])[:, 0]


class ReadsTheNeighbour(Draws):
    """What the row before said is less probable."""

    def shares(self, logits, history):
        said = torch.zeros_like(logits).scatter_(1, history.roll(1, 0), 1.0)
        return (logits - said).softmax(-1)


class WeighsAHundredTokens(Draws):
    """Weights of the past that were made for a hundred tokens."""

    weights = torch.linspace(0, 1, 100, dtype=torch.float64)

    def shares(self, logits, history):
        ages = self.weights[: history.shape[1]].expand(history.shape)
        said = torch.zeros_like(logits).scatter_add_(1, history, ages)
        return (logits - said).softmax(-1)


class CachesByLength(Draws):
    """Keeps what was said under the number of tokens so far and of rows."""

    def __init__(self) -> None:
        self.kept = {}

    def shares(self, logits, history):
        key = (*history.shape, logits.shape[1])
        if key not in self.kept:
            self.kept[key] = torch.zeros_like(logits).scatter_(1, history, 1.0)
        return (logits - self.kept[key]).softmax(-1)


class SumsInHalfPrecision(Draws):
    """Sums in float16: a chance just below 1 is 1."""

    def choose(self, logits, history, uniform):
        sums = logits.float().softmax(-1).half().cumsum(-1)
        places = torch.searchsorted(sums, uniform[:, None].half() * sums[:, -1:], right=True)
        return places[:, 0].clamp(max=logits.shape[1] - 1)


class ExponentialsWithoutAMaximum(Draws):
    """exp(800) is infinite in float64, too."""

    def shares(self, logits, history):
        return logits.exp() / logits.exp().sum(-1, keepdim=True)


class PenaltyInPlaceForLongTexts(Draws):
    """After 64 tokens, what was said is made impossible where the logits lie."""

    def choose(self, logits, history, uniform):
        if history.shape[1] > 64:
            logits -= torch.zeros_like(logits).scatter_(1, history, 1.0)
        return super().choose(logits, history, uniform)
