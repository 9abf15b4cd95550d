"""Decoders that choose. Shapes: B rows, V vocabulary size, t tokens so far."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

import seqlab

SEQLAB_API = 2


def draw(logits: Tensor, uniform: Tensor) -> Tensor:
    """Return ids (B,) for logits (B, V), by one number in [0, 1) for each row."""
    sums = logits.softmax(-1).cumsum(-1)
    return torch.searchsorted(sums, uniform[:, None] * sums[:, -1:], right=True)[:, 0]


class DontRepeat:
    """Another decoder that is kept from repeating itself, as the sampler called DRY does.

    A token that would go on with a repetition of n tokens loses factor * base^(n - allowed).

    Args:
        inner: the decoder.
        factor: of the penalty, in nats.
        base: of the penalty's growth.
        allowed: how long a repetition is free.
        longest: how far back a repetition is followed.
    """

    def __init__(
        self,
        *,
        inner: seqlab.DecoderFactory = seqlab.component("sample"),  # noqa: B008 # nobody changes it
        factor: Annotated[float, Field(ge=0, le=1000)] = 0.8,
        base: Annotated[float, Field(ge=1, le=10)] = 1.75,
        allowed: seqlab.Count = 2,
        longest: Annotated[int, Field(gt=0, le=100)] = 20,
    ) -> None:
        self.factor, self.base = factor, base
        self.allowed, self.longest = allowed, longest
        self.choose_inner = seqlab.chooser(inner())

    def choose(
        self,
        logits: Tensor,
        history: Tensor,
        uniform: Tensor,
        prefix_lengths: Tensor,
        memory: seqlab.State | None,
    ) -> tuple[Tensor, seqlab.State]:
        penalised = logits.double() - self._penalties(logits, history)
        return self.choose_inner(penalised, history, uniform, prefix_lengths, memory)

    def _penalties(self, logits: Tensor, history: Tensor) -> Tensor:
        """(B, V): history[j] would follow as it followed history[:j] before."""
        lengths = torch.zeros_like(history)  # at j: how long a suffix of history[:j] is at its end
        matches = torch.ones_like(history, dtype=torch.bool)
        for back in range(1, min(self.longest, history.shape[1] - 1) + 1):
            same = torch.zeros_like(matches)
            same[:, back:] = history[:, :-back] == history[:, -back : history.shape[1] + 1 - back]
            matches = matches & same
            lengths += matches
        powers = self.base ** (lengths - self.allowed).double()
        penalties = torch.where(lengths >= self.allowed, self.factor * powers, 0.0)
        none = torch.zeros_like(logits, dtype=torch.float64)
        return none.scatter_reduce(1, history, penalties, "amax")


class Eta:
    """Draws from tokens that are not too improbable for their place: Hewitt et al., 2022.

    "Truncation sampling as language model desmoothing", arXiv:2210.15191.

    Args:
        epsilon: a token stays if its probability is at least this, or sqrt(epsilon) * exp(-H) where
            the entropy H makes that less.
    """

    def __init__(self, *, epsilon: Annotated[float, Field(gt=0, lt=1)] = 3e-4) -> None:
        self.epsilon = epsilon

    def choose(self, logits: Tensor, history: Tensor, uniform: Tensor) -> Tensor:
        chances = logits.double().softmax(-1)
        entropy = torch.special.entr(chances).sum(-1, keepdim=True)
        least = (self.epsilon**0.5 * (-entropy).exp()).clamp(max=self.epsilon)
        best = chances == chances.amax(-1, keepdim=True)
        kept = (chances >= least) | best
        return draw(logits.double().masked_fill(~kept, -torch.inf), uniform)


class SteadyTemperature:
    """Draws with a temperature that follows the surprise of what it said before.

    Args:
        surprisal: nats per token that are aimed at.
        rate: how much of the difference each token corrects, in powers of e.
    """

    def __init__(
        self,
        *,
        surprisal: Annotated[float, Field(gt=0, le=20)] = 2.0,
        rate: Annotated[float, Field(gt=0, le=1)] = 0.1,
    ) -> None:
        self.surprisal, self.rate = surprisal, rate

    def choose(
        self, logits: Tensor, history: Tensor, uniform: Tensor, memory: seqlab.State | None
    ) -> tuple[Tensor, seqlab.State]:
        logits = logits.double()
        warmth = logits.new_zeros(len(logits), 1) if memory is None else memory  # log temperature
        best = logits.amax(-1, keepdim=True)
        ids = draw((logits - best) / warmth.exp(), uniform)
        said = -logits.log_softmax(-1).gather(-1, ids[:, None])
        return ids, (warmth + self.rate * (self.surprisal - said)).clamp(-3, 1)


@seqlab.hookimpl
def seqlab_register_decoders() -> dict[str, type]:
    return {"dont_repeat": DontRepeat, "eta": Eta, "steady_temperature": SteadyTemperature}
