"""Methods of evaluation with one mistake each."""

from __future__ import annotations

import torch

import seqlab


class Reads:
    """Carries the state, and scores; what the planted ones are made of."""

    def nats(self, model, batches):
        state = None
        for batch in batches:
            if state is not None:
                rows = len(batch.inputs)
                state = seqlab.map_state(lambda part, rows=rows: part[:rows], state)
            yield self.scored(model, batch, state)
            state = seqlab.map_state(torch.detach, model.hidden(batch.inputs, state)[1])

    def scored(self, model, batch, state):
        hidden, _ = model.hidden(batch.inputs, state)
        return seqlab.head_scores(model.head, hidden, batch.targets)[0]


def _step(model, batch, state):
    """A step of gradient descent on a window."""
    hidden, _ = model.hidden(batch.inputs, state)
    share = 1 / batch.targets.numel()
    loss, _ = seqlab.head_loss(model.head, hidden, batch.targets, share)
    gradients = torch.autograd.grad(loss, [*model.parameters()])
    with torch.no_grad():
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter -= 0.5 * gradient


class OneNumberAWindow(Reads):
    """The mean of each row, of which no weights can be told."""

    def scored(self, model, batch, state):
        return super().scored(model, batch, state).mean(1)


class KeepsTheGraph(Reads):
    """Its nats have a gradient, and hold what they were computed from."""

    def scored(self, model, batch, state):
        hidden, _ = model.hidden(batch.inputs, state)
        logits = model.head(hidden).log_softmax(-1)
        return -logits.gather(-1, batch.targets.unsqueeze(-1)).squeeze(-1)


class AddsTheTargetFirst(Reads):
    """A cache that has each target before it is scored."""

    def scored(self, model, batch, state):
        same = batch.targets.unsqueeze(1) == batch.targets.unsqueeze(2)  # (B, T, T)
        length = torch.arange(1, batch.targets.shape[1] + 1)
        cached = same.tril().sum(-1) / length
        return -(0.9 * super().scored(model, batch, state).neg().exp() + 0.1 * cached).log()


class TrainsBeforeItScores(Reads):
    """Takes its step on the window, and scores it afterwards."""

    def scored(self, model, batch, state):
        _step(model, batch, state)
        return super().scored(model, batch, state)


class ReadsAllFirst(Reads):
    """Trains on the whole split before it scores any of it."""

    def nats(self, model, batches):
        batches = list(batches)
        for batch in batches:
            _step(model, batch, None)
        yield from super().nats(model, batches)


class DropsAtEveryPass(Reads):
    """Switches dropout on and averages over what it draws by torch's generator."""

    def scored(self, model, batch, state):
        hidden, _ = model.hidden(batch.inputs, state)
        hidden = torch.nn.functional.dropout(hidden, 0.1)
        return seqlab.head_scores(model.head, hidden, batch.targets)[0]


class CountsOfAllPasses(Reads):
    """Its counts belong to the class, so the next evaluation begins with them."""

    counts = torch.ones(1000)

    def scored(self, model, batch, state):
        nats = super().scored(model, batch, state)
        cached = self.counts[batch.targets] / self.counts[: model.vocabulary].sum()
        self.counts.index_add_(0, batch.targets.flatten(), torch.ones(batch.targets.numel()))
        return -(0.9 * nats.neg().exp() + 0.1 * cached).log()


class CountsOnTheCpu(Reads):
    """A cache that is made on the CPU, whatever the model is on."""

    def scored(self, model, batch, state):
        uniform = torch.full(batch.targets.shape, 1 / model.vocabulary)
        return -(0.9 * super().scored(model, batch, state).neg().exp() + 0.1 * uniform).log()
