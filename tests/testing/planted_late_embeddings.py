"""Embeddings with one mistake each."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

SIZE = 6


class Vectors(nn.Module):
    """A learned vector for each token; what the planted ones are made of."""

    def __init__(self, vocabulary):
        super().__init__()
        self.output_size = SIZE
        self.vectors = nn.Embedding(vocabulary.size, SIZE)

    def forward(self, ids):
        return self.vectors(ids)


class TimeFirst(Vectors):
    """Gives (T, B, E), as torch's recurrent layers do unless they are told."""

    def forward(self, ids):
        return self.vectors(ids).transpose(0, 1)


class NormalisesOverTheBatch(Vectors):
    """Takes the mean of all rows away."""

    def forward(self, ids):
        vectors = self.vectors(ids)
        return vectors - vectors.mean(0, keepdim=True)


class ConvolvesBothWays(Vectors):
    """Its convolution is padded at both ends, so it reads ahead."""

    def __init__(self, vocabulary):
        super().__init__(vocabulary)
        self.mix = nn.Conv1d(SIZE, SIZE, 3, padding=1)

    def forward(self, ids):
        return self.mix(self.vectors(ids).transpose(1, 2)).transpose(1, 2)


class ForgetsAtTheWindow(Vectors):
    """Adds the vector of the token before, and has no state for it."""

    def forward(self, ids):
        vectors = self.vectors(ids)
        return vectors + functional.pad(vectors, (0, 0, 1, 0))[:, :-1]


class RemembersInItself(Vectors):
    """Keeps the last token as an attribute instead of a state."""

    last = None

    def forward(self, ids):
        vectors = self.vectors(ids)
        before = torch.zeros_like(vectors[:, :1]) if self.last is None else self.last
        if len(before) != len(vectors):
            before = torch.zeros_like(vectors[:, :1])
        self.last = vectors[:, -1:].detach()
        return vectors + torch.cat((before, vectors[:, :-1]), 1)


class MeansOf64Tokens(Vectors):
    """A mean of all tokens so far; long windows are cut to 64."""

    def forward(self, ids, state):
        vectors = self.vectors(ids)
        total = vectors.new_zeros(len(ids), SIZE) if state is None else state
        whole = torch.cat([total.unsqueeze(1) + part.cumsum(1) for part in vectors.split(64, 1)], 1)
        return whole, whole[:, -1]


class StateOfTheTimeFirst(Vectors):
    """The last two vectors, as (2, B, E)."""

    def forward(self, ids, state):
        vectors = self.vectors(ids)
        before = vectors.new_zeros(2, len(ids), SIZE) if state is None else state
        past = torch.cat((before.transpose(0, 1), vectors), 1)
        return past[:, 2:] + past[:, :-2], past[:, -2:].transpose(0, 1)


class LastTokenAsState(Vectors):
    """The last id is the state, so zeros are token 0 and not the beginning."""

    def forward(self, ids, state):
        vectors = self.vectors(ids)
        first = torch.zeros_like(vectors[:, :1])
        before = first if state is None else self.vectors(state)
        return vectors + torch.cat((before, vectors[:, :-1]), 1), ids[:, -1:]


class ScaledTable(nn.Embedding):
    """Scales its vectors, and still says that it is a table."""

    is_table, output_size = True, SIZE

    def __init__(self, vocabulary):
        super().__init__(vocabulary.size, SIZE)

    def forward(self, ids):
        return super().forward(ids) * SIZE**0.5


class SmoothedOneHots(nn.Module):
    """One-hots with a little of all other tokens."""

    is_one_hot = True

    def __init__(self, vocabulary):
        super().__init__()
        self.output_size = vocabulary.size

    def forward(self, ids):
        return 0.9 * functional.one_hot(ids, self.output_size).float() + 0.1 / self.output_size


class AddsFloat64(Vectors):
    """Positions come from numpy's type, which is float64."""

    def forward(self, ids):
        return self.vectors(ids) + torch.zeros(SIZE, dtype=torch.float64, device=ids.device)


class MakesFloat32(nn.Module):
    """One-hots in float32 of a model of any type."""

    def __init__(self, vocabulary):
        super().__init__()
        self.output_size = vocabulary.size

    def forward(self, ids):
        return functional.one_hot(ids, self.output_size).float()


class MaskThatIsNoBuffer(Vectors):
    """Keeps a tensor as an attribute, which no `to` moves."""

    def __init__(self, vocabulary):
        super().__init__(vocabulary)
        self.scales = torch.linspace(0.5, 1, SIZE)

    def forward(self, ids):
        return self.vectors(ids) * self.scales


class FreezesByAccident(Vectors):
    """Reads `weight.data`, through which no gradient flows."""

    def forward(self, ids):
        return functional.embedding(ids, self.vectors.weight.data).requires_grad_()


class RandomFeaturesNotSaved(Vectors):
    """Random features that are drawn anew when a run goes on."""

    def __init__(self, vocabulary):
        super().__init__(vocabulary)
        self.register_buffer("mix", torch.randn(SIZE, SIZE), persistent=False)

    def forward(self, ids):
        return self.vectors(ids) @ self.mix


class DropsInEvaluation(Vectors):
    """`functional.dropout` is in training unless it is told otherwise."""

    def forward(self, ids):
        return functional.dropout(self.vectors(ids), 0.1)


class GeneratorOfItsOwn(Vectors):
    """Begins with weights of another seed in every instance."""

    def __init__(self, vocabulary):
        super().__init__(vocabulary)
        generator = torch.Generator()
        generator.seed()
        nn.init.normal_(self.vectors.weight, generator=generator)
