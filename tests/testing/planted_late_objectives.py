"""Objectives with one mistake each."""

from __future__ import annotations

import random

import torch
from torch import nn

import seqlab


class Next:
    """The next token; what the planted ones are made of."""

    def loss(self, hidden, head, window):
        nats = self.nats(hidden, head, window)
        return seqlab.Terms((window.shares * nats).sum(), nats.detach())

    def nats(self, hidden, head, window):
        logits = head(hidden).log_softmax(-1)
        return -logits.gather(-1, window.targets.unsqueeze(-1)).squeeze(-1)


class ReturnsItsLoss(Next):
    """Gives a tensor, as a loss of torch does."""

    def loss(self, hidden, head, window):
        return super().loss(hidden, head, window).loss


class PartOfEachRow(Next):
    """Reports a number for each row instead of a sum."""

    parts = ("rows",)

    def loss(self, hidden, head, window):
        terms = super().loss(hidden, head, window)
        return terms._replace(parts=((window.shares * terms.nats).sum(1),))


class ScoresWithoutParts(Next):
    """Declares a part, and leaves it out of evaluations."""

    parts = ("entropy",)

    def loss(self, hidden, head, window):
        terms = super().loss(hidden, head, window)
        return terms._replace(parts=(terms.loss.detach(),))

    def score(self, hidden, head, window):
        return super().loss(hidden, head, window)


class KeepsTheGraph(Next):
    """The nats that are reported have a gradient, and hold the graph of the step."""

    def loss(self, hidden, head, window):
        nats = self.nats(hidden, head, window)
        return seqlab.Terms((window.shares * nats).sum(), nats)


class ReportsWhatItMinimises(Next):
    """Label smoothing is in the nats, so perplexities cannot be compared."""

    def loss(self, hidden, head, window):
        logits = head(hidden).log_softmax(-1)
        nats = 0.9 * self.nats(hidden, head, window) - 0.1 * logits.mean(-1)
        return seqlab.Terms((window.shares * nats).sum(), nats.detach())


class ScoresAtATemperature(Next):
    """Evaluates a softened distribution, which looks better."""

    def score(self, hidden, head, window):
        return self.loss(hidden / 2, head, window)


class MeanOfItsOwn(Next):
    """A mean over targets, as torch has it: shares are forgotten."""

    def loss(self, hidden, head, window):
        nats = self.nats(hidden, head, window)
        return seqlab.Terms(nats.mean(), nats.detach())


class PenaltyWithoutShares(Next):
    """A penalty on large outputs, also where there is padding."""

    def loss(self, hidden, head, window):
        terms = super().loss(hidden, head, window)
        weight = torch.as_tensor(window.shares).sum()
        return terms._replace(loss=terms.loss + weight * hidden.square().mean())


class DividesByTheTargets(Next):
    """Shares are a mean already; it divides by the number of targets besides."""

    def loss(self, hidden, head, window):
        terms = super().loss(hidden, head, window)
        return terms._replace(loss=terms.loss / window.targets.numel())


class DividesByTheRows(Next):
    """The sum of each row, divided by the rows."""

    def loss(self, hidden, head, window):
        terms = super().loss(hidden, head, window)
        return terms._replace(loss=terms.loss / len(hidden))


class LayerOutOfTheGraph(nn.Module):
    """A layer of its own whose result is only reported."""

    parts = ("ahead",)

    def __init__(self, hidden_size):
        super().__init__()
        self.layer = nn.Linear(hidden_size, hidden_size)

    def loss(self, hidden, head, window):
        loss, nats = seqlab.head_loss(head, hidden, window.targets, window.shares)
        values = self.layer(hidden)
        ahead, _ = seqlab.head_loss(head, values, window.targets, window.shares)
        return seqlab.Terms(loss, nats, (ahead,))


class HidesInPlace(Next):
    """Writes the mask into the batch that it was given."""

    def prepare(self, batch, uniform):
        batch.inputs[uniform < 0.1] = 0
        return batch


class HidesByTorchsGenerator(Next):
    """Draws by itself, so that an evaluation draws anew and a run does not go on as it was."""

    def prepare(self, batch, uniform):
        hidden = torch.rand(batch.inputs.shape) < 0.1
        return batch._replace(inputs=batch.inputs.masked_fill(hidden, 0))


class HidesInAllRows(Next):
    """The places of the first row, in every row."""

    def prepare(self, batch, uniform):
        hidden = (uniform[:1] < 0.3).expand_as(uniform)
        return batch._replace(inputs=batch.inputs.masked_fill(hidden, 0))


class HidesByCalls(Next):
    """Counts its calls, and hides another token in each."""

    calls = 0

    def prepare(self, batch, uniform):
        self.calls += 1
        inputs = batch.inputs.clone()
        inputs[:, self.calls % inputs.shape[1]] = 0
        return batch._replace(inputs=inputs)


class NoiseOfPython(Next):
    """A factor of Python's generator, which no seed of a step reaches."""

    def loss(self, hidden, head, window):
        return super().loss(hidden * (1 + random.random()), head, window)  # noqa: S311 # the mistake


class SetsASeed(Next):
    """Noise that is the same in each step, and so is all that is drawn after it."""

    def loss(self, hidden, head, window):
        torch.manual_seed(0)
        nats = self.nats(hidden, head, window)
        noise = torch.rand_like(nats)
        return seqlab.Terms((window.shares * nats * noise).sum(), nats.detach())


class PositionsOnTheCpu(Next):
    """Later targets count more, by numbers that are made on the CPU."""

    def loss(self, hidden, head, window):
        nats = self.nats(hidden, head, window)
        later = torch.linspace(0, 1, nats.shape[1])
        return seqlab.Terms((window.shares * nats * later).sum(), nats.detach())


class StateOfTheBatch(Next):
    """One mean of all rows as its state."""

    def loss(self, hidden, head, window, state):
        before = hidden.new_zeros(1, hidden.shape[-1]) if state is None else state
        terms = super().loss(hidden, head, window)
        pull = (window.shares * (hidden - before).square().mean(-1)).sum()
        return terms._replace(loss=terms.loss + pull), hidden.detach().mean((0, 1)).unsqueeze(0)


class FirstWindowIsOne(Next):
    """A fresh row begins with ones, so zeros are another beginning."""

    def loss(self, hidden, head, window, state):
        before = torch.ones_like(hidden[:, 0]) if state is None else state
        terms = super().loss(hidden, head, window)
        pull = (window.shares * (hidden - before.unsqueeze(1)).square().mean(-1)).sum()
        return terms._replace(loss=terms.loss + pull), hidden.detach().mean(1)


class DirectionsNotSaved(nn.Module):
    """Random directions that are drawn anew when a run goes on."""

    def __init__(self, hidden_size):
        super().__init__()
        self.register_buffer("directions", torch.randn(hidden_size), persistent=False)

    def loss(self, hidden, head, window):
        loss, nats = seqlab.head_loss(head, hidden, window.targets, window.shares)
        pull = (window.shares * (hidden @ self.directions).square()).sum()
        return seqlab.Terms(loss + pull, nats)


class SumOfSquares(Next):
    """Its penalty is a sum, so that it grows with the batch."""

    penalty_names = ("squares",)

    def penalties(self, outputs, hidden):
        return {"squares": hidden.square().sum()}


class ChangeOfOneToken(Next):
    """Its penalty is a mean of nothing where a window has one token."""

    penalty_names = ("change",)

    def penalties(self, outputs, hidden):
        return {"change": outputs.diff(dim=1).square().mean()}
