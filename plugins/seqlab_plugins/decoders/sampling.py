"""How the next token is chosen.

Shapes: B rows, V vocabulary size, t tokens so far.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from seqlab import Decoder, hookimpl


def _warm(temperature: float) -> float:
    if temperature == 0:
        raise ValueError(
            "greater than 0; with `decoder: greedy` the most probable token is always taken"
        )
    if temperature < 0:
        raise ValueError("greater than 0")
    return temperature


Temperature = Annotated[
    float,
    Field(allow_inf_nan=False, json_schema_extra={"exclusiveMinimum": 0}),
    AfterValidator(_warm),
]
Penalty = Annotated[float, Field(ge=-1000, le=1000)]
Count = Annotated[int, Field(gt=0, le=2**31)]


class Greedy:
    """Always the most probable token; of equals, the one with the lowest id."""

    @property
    def greedy(self) -> bool:
        return type(self) is Greedy  # what inherits from it may choose otherwise

    def choose(self, logits: Tensor, history: Tensor, uniform: Tensor) -> Tensor:
        if not logits.is_cpu or logits.dtype.itemsize < 4:
            return logits.argmax(-1)
        values = logits.detach() if logits.requires_grad else logits
        return torch.from_numpy(values.numpy().argmax(-1))  # five times as fast


class Sample:
    """Each token as often as it is probable, after penalties and without the improbable.

    In this order: the penalties and `no_repeat` for tokens that were there before, prefix
    included; the temperature; then only tokens stay that `top_k`, `top_p` and `min_p` all allow.
    The chance is the core's, from `--seed` or `train.seed`.

    Args:
        temperature: what the logits are divided by: below 1 the probable tokens gain, above 1 the
            others do.
        top_k: only so many of the most probable tokens; null: all.
        top_p: only the most probable tokens that have this probability together, of what `top_k`
            left (Holtzman et al., 2020, https://arxiv.org/abs/1904.09751); 1: all.
        min_p: only tokens with at least this share of the largest probability (Nguyen et al.,
            2024, https://arxiv.org/abs/2407.01082); 0: all.
        repetition_penalty: what the logit of a token that was there before is divided by, or
            multiplied with where it is negative (Keskar et al., 2019,
            https://arxiv.org/abs/1909.05858); 1: nothing.
        presence_penalty: what is taken from the logit of a token that was there before.
        frequency_penalty: what is taken from a logit for each time that its token was there.
        no_repeat: no sequence of so many tokens comes twice, where another token is possible;
            null: it may.
    """

    def __init__(
        self,
        *,
        temperature: Temperature = 1.0,
        top_k: Count | None = None,
        top_p: Annotated[float, Field(gt=0, le=1)] = 1.0,
        min_p: Annotated[float, Field(ge=0, le=1)] = 0.0,
        repetition_penalty: Annotated[float, Field(ge=0.001, le=1000)] = 1.0,
        presence_penalty: Penalty = 0.0,
        frequency_penalty: Penalty = 0.0,
        no_repeat: Count | None = None,
    ) -> None:
        self._temperature = temperature
        self._top_k = top_k
        self._top_p = top_p
        self._min_p = min_p
        self._repetition = repetition_penalty
        self._presence = presence_penalty
        self._frequency = frequency_penalty
        self._no_repeat = no_repeat

    def choose(self, logits: Tensor, history: Tensor, uniform: Tensor) -> Tensor:
        heated = self._heated(self._penalised(logits.double(), history))
        return _draw(self._likely(heated), uniform)

    def _penalised(self, logits: Tensor, history: Tensor) -> Tensor:
        if self._repetition != 1 or self._presence or self._frequency:
            counts = torch.zeros_like(logits)
            counts.scatter_add_(1, history, torch.ones_like(history, dtype=counts.dtype))
            said = counts > 0
            scaled = torch.where(logits > 0, logits / self._repetition, logits * self._repetition)
            logits = torch.where(said, scaled - self._presence, logits) - self._frequency * counts
        if self._no_repeat is not None:
            logits = _without(logits, _repeating(history, self._no_repeat, logits.shape[1]))
        return logits

    def _heated(self, logits: Tensor) -> Tensor:
        """The largest becomes 0 first, so that no temperature makes one infinite."""
        return (logits - logits.amax(-1, keepdim=True)) / self._temperature

    def _likely(self, logits: Tensor) -> Tensor:
        """Make the others impossible; the most probable token, whose logit is 0, always stays."""
        if self._top_k is not None or self._top_p < 1:
            logits = self._cut(logits)
        if self._min_p > 0:
            logits = logits.masked_fill(logits.exp() < self._min_p, -torch.inf)
        return logits

    def _cut(self, logits: Tensor) -> Tensor:
        """From the most probable on, of equals the lowest id first."""
        ordered, ids = logits.sort(dim=-1, descending=True, stable=True)
        ordered[:, self._top_k or logits.shape[1] :] = -torch.inf
        if self._top_p < 1:
            shares = ordered.softmax(-1)
            enough = shares.cumsum(-1) - shares >= self._top_p  # without the token itself
            enough[:, 0] = False
            ordered = ordered.masked_fill(enough, -torch.inf)
        return torch.empty_like(logits).scatter_(1, ids, ordered)


def _repeating(history: Tensor, size: int, vocabulary: int) -> Tensor:
    """Which tokens would end a sequence of `size` tokens that was there before: (B, V) bool."""
    found = history.new_zeros(len(history), vocabulary)
    if history.shape[1] >= size:
        windows = history.unfold(1, size, 1)  # (B, t - size + 1, size)
        last = history[:, history.shape[1] - size + 1 :]  # (B, size - 1)
        same = (windows[:, :, :-1] == last[:, None]).all(-1)
        found.scatter_add_(1, windows[:, :, -1], same.long())
    return found > 0


def _without(logits: Tensor, tokens: Tensor) -> Tensor:
    """Make tokens impossible, but where nothing would be left."""
    left = logits.masked_fill(tokens, -torch.inf)
    return torch.where(left.amax(-1, keepdim=True) > -torch.inf, left, logits)


def _draw(logits: Tensor, uniform: Tensor) -> Tensor:
    """Invert the cumulated probabilities: float64 (B, V) and (B,) -> ids (B,).

    The first id whose sum exceeds the number, so never one of probability 0. The last sum is the
    scale, as rounding may leave it a little below 1. Of logits that are not numbers, the last id.
    """
    sums = logits.softmax(-1).cumsum(-1)
    wanted = uniform[:, None] * sums[:, -1:]
    return torch.searchsorted(sums, wanted, right=True)[:, 0].clamp_(max=sums.shape[1] - 1)


@hookimpl
def seqlab_register_decoders() -> dict[str, type[Decoder]]:
    return {"greedy": Greedy, "sample": Sample}
