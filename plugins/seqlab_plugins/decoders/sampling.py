"""Decoders that choose the next token.

Shapes: B rows, V vocabulary size, t tokens so far.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from seqlab import Decoder, hookimpl
from seqlab.options import Limit

Temperature = Annotated[
    float,
    Field(allow_inf_nan=False, json_schema_extra={"exclusiveMinimum": 0}),
    Limit("greater than 0", ge=0),
    Limit("greater than 0; `decoder: greedy` always takes the most probable token", gt=0),
]
Penalty = Annotated[float, Field(ge=-1000, le=1000)]
TokenCount = Annotated[int, Field(gt=0, le=2**31)]


class Greedy:
    """Always the most probable token; of equals, the one with the lowest id."""

    @property
    def greedy(self) -> bool:
        return type(self) is Greedy  # a subclass may choose otherwise

    def choose(self, logits: Tensor, history: Tensor, uniform: Tensor) -> Tensor:
        if not logits.is_cpu or logits.dtype.itemsize < 4:
            return logits.argmax(-1)
        values = logits.detach() if logits.requires_grad else logits
        return torch.from_numpy(values.numpy().argmax(-1))  # five times as fast


class Sample:
    """Draw each token with its probability, after penalties and without improbable tokens.

    In this order: the penalties and `no_repeat` for tokens of the history, prefix included; the
    temperature; then a token stays if `top_k`, `top_p` and `min_p` all allow it. The random
    numbers follow from the seed of the generation or, for samples, `train.seed`.

    Args:
        temperature: what the logits are divided by; below 1 it favours probable tokens.
        top_k: keep this many of the most probable tokens; null: all.
        top_p: keep the most probable tokens that together have this probability, after `top_k`
            (Holtzman et al., 2020, https://arxiv.org/abs/1904.09751); 1: all.
        min_p: keep tokens with at least this share of the largest probability (Nguyen et al.,
            2024, https://arxiv.org/abs/2407.01082); 0: all.
        repetition_penalty: what the logit of a token of the history is divided by, or multiplied
            by if it is negative (Keskar et al., 2019, https://arxiv.org/abs/1909.05858); 1: none.
        presence_penalty: subtracted from the logit of a token of the history.
        frequency_penalty: subtracted from a logit for each time that its token is in the history.
        no_repeat: no sequence of this many tokens comes twice, if another token is possible;
            null: it may.
    """

    chosen_by = ("temperature", "top_k", "top_p", "min_p")

    def __init__(
        self,
        *,
        temperature: Temperature = 1.0,
        top_k: TokenCount | None = None,
        top_p: Annotated[float, Field(gt=0, le=1)] = 1.0,
        min_p: Annotated[float, Field(ge=0, le=1)] = 0.0,
        repetition_penalty: Annotated[float, Field(ge=0.001, le=1000)] = 1.0,
        presence_penalty: Penalty = 0.0,
        frequency_penalty: Penalty = 0.0,
        no_repeat: TokenCount | None = None,
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
        logits = self._penalise(logits.double(), history)
        # The largest becomes 0 first, so that no temperature makes a logit infinite.
        scaled = (logits - logits.amax(-1, keepdim=True)) / self._temperature
        return draw(self._truncate(scaled), uniform)

    def _penalise(self, logits: Tensor, history: Tensor) -> Tensor:
        if self._repetition != 1 or self._presence or self._frequency:
            counts = torch.zeros_like(logits)
            counts.scatter_add_(1, history, torch.ones_like(history, dtype=counts.dtype))
            scaled = torch.where(logits > 0, logits / self._repetition, logits * self._repetition)
            penalised = scaled - self._presence - self._frequency * counts
            logits = torch.where(counts > 0, penalised, logits)
        if self._no_repeat is not None:
            logits = _mask(logits, _repeating(history, self._no_repeat, logits.shape[1]))
        return logits

    def _truncate(self, logits: Tensor) -> Tensor:
        """Mask improbable tokens; the most probable token, whose logit is 0, always stays."""
        if self._top_k is not None or self._top_p < 1:
            logits = self._keep_top(logits)
        if self._min_p > 0:
            logits = logits.masked_fill(logits.exp() < self._min_p, -torch.inf)
        return logits

    def _keep_top(self, logits: Tensor) -> Tensor:
        """Apply `top_k` and `top_p`; of equal logits the lowest id comes first."""
        ordered, ids = logits.sort(dim=-1, descending=True, stable=True)
        ordered[:, self._top_k or logits.shape[1] :] = -torch.inf
        if self._top_p < 1:
            shares = ordered.softmax(-1)
            surplus = shares.cumsum(-1) - shares >= self._top_p  # without the token itself
            surplus[:, 0] = False
            ordered = ordered.masked_fill(surplus, -torch.inf)
        return torch.empty_like(logits).scatter_(1, ids, ordered)


class Typical:
    """Draw from tokens that say about as much as is expected: Meister et al., 2023.

    "Locally typical sampling", arXiv:2202.00666. A token p says -ln p nats; expected is the entropy
    of the distribution. The most probable token may be left out.

    Args:
        mass: keep the tokens nearest to the entropy that together have this probability; 1: all.
        temperature: what the logits are divided by; below 1 it favours probable tokens.
    """

    def __init__(
        self,
        *,
        mass: Annotated[float, Field(gt=0, le=1)] = 0.9,
        temperature: Temperature = 1.0,
    ) -> None:
        self._mass, self._temperature = mass, temperature

    def choose(self, logits: Tensor, history: Tensor, uniform: Tensor) -> Tensor:
        logits = logits.double()
        scaled = (logits - logits.amax(-1, keepdim=True)) / self._temperature
        nats, shares = -scaled.log_softmax(-1), scaled.softmax(-1)  # (B, V)
        entropy = torch.special.entr(shares).sum(-1, keepdim=True)
        ids = (nats - entropy).abs().argsort(dim=-1, stable=True)  # of equals the lowest id first
        ordered = shares.gather(-1, ids)
        surplus = ordered.cumsum(-1) - ordered >= self._mass  # without the token itself
        left_out = torch.zeros_like(surplus).scatter_(-1, ids, surplus)
        return draw(scaled.masked_fill(left_out, -torch.inf), uniform)


def _repeating(history: Tensor, size: int, vocabulary: int) -> Tensor:
    """Which tokens would repeat a sequence of `size` tokens of the history: (B, V) bool."""
    counts = history.new_zeros(len(history), vocabulary)
    if history.shape[1] >= size:
        windows = history.unfold(1, size, 1)  # (B, t - size + 1, size)
        last = history[:, history.shape[1] - size + 1 :]  # (B, size - 1)
        same = (windows[:, :, :-1] == last[:, None]).all(-1)
        counts.scatter_add_(1, windows[:, :, -1], same.long())
    return counts > 0


def _mask(logits: Tensor, tokens: Tensor) -> Tensor:
    """Mask tokens in the rows where another token is possible."""
    left = logits.masked_fill(tokens, -torch.inf)
    return torch.where(left.amax(-1, keepdim=True) > -torch.inf, left, logits)


def draw(logits: Tensor, uniform: Tensor) -> Tensor:
    """Draw ids (B,) by inverse transform sampling from logits (B, V) and uniform (B,), float64.

    The id is the first whose cumulative probability exceeds the number, so its own is above 0. The
    last sum is the scale, as rounding may leave it a little below 1. NaN logits give the last id.
    """
    sums = logits.softmax(-1).cumsum(-1)
    threshold = uniform[:, None] * sums[:, -1:]
    return torch.searchsorted(sums, threshold, right=True)[:, 0].clamp_(max=sums.shape[1] - 1)


@hookimpl
def seqlab_register_decoders() -> dict[str, type[Decoder]]:
    return {"greedy": Greedy, "sample": Sample, "typical": Typical}
