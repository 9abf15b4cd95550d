"""Sums over targets, and the metrics that follow from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqlab.contracts import Terms, Tokenizer, Window, offered
from seqlab.training.loss import perplexity
from seqlab.training.objective import Columns

REPLACEMENT = "\ufffd".encode()  # Unicode's replacement character


class TokenSize(NamedTuple):
    """How many characters begin in a token, how many bytes it has, and whether it is unknown.

    Sizes are NaN for unknown text and for ids without text, and so is every sum with them.
    """

    characters: float
    bytes: float
    unknown: bool

    @classmethod
    def of(cls, tokenizer: Tokenizer, token: int) -> TokenSize:
        data = tokenizer.token_bytes(token)
        if hasattr(tokenizer, "unknown_token"):  # not `offered`: None says that there is none
            unknown = token == tokenizer.unknown_token
        else:
            unknown = data == REPLACEMENT
        if unknown or not has_text(tokenizer):
            return cls(math.nan, math.nan, unknown)
        return cls(sum((byte & 0xC0) != 0x80 for byte in data), len(data), unknown)


def has_text(tokenizer: Tokenizer) -> bool:
    """Whether the ids of a tokenizer stand for text."""
    return offered(tokenizer, "has_text") is not False


@dataclass(frozen=True)
class TokenSizes:
    """(3, V) float64: the `TokenSize` of every token."""

    table: Tensor

    @classmethod
    def of(cls, tokenizer: Tokenizer, device: torch.device) -> TokenSizes:
        sizes = [TokenSize.of(tokenizer, token) for token in range(tokenizer.size)]
        return cls(torch.tensor(sizes, dtype=torch.float64).view(-1, 3).t().contiguous().to(device))

    def count(self, targets: Tensor, weights: Tensor | None) -> Tensor:
        """Return (3,): characters and bytes of targets with a weight, weight of unknown ones."""
        sizes = self.table[:, targets.flatten()]
        if weights is not None:
            counts = weights.flatten()
            sizes = sizes.where(counts > 0, 0)
            sizes[2] *= counts
        return sizes.sum(1)


@dataclass(frozen=True)
class Sums:
    """Sums over targets, on the model's device.

    `values` (6 + P,) float64: weighted nats (or losses of an objective without), weight,
    characters, bytes, weight of right guesses (NaN: it is not known), weight of unknown targets;
    weighted parts.
    """

    values: Tensor

    @classmethod
    def zero(cls, parts: int = 0) -> Sums:
        return cls(torch.zeros(6 + parts, dtype=torch.float64))

    @classmethod
    def saved(cls, values: Sequence[float] | Tensor) -> Sums:
        """Read the values of a checkpoint; older ones have five.

        Those counted an unknown target as one character and NaN bytes, so the weight of unknown
        targets is 0 or NaN.
        """
        sums = torch.as_tensor(values, dtype=torch.float64)
        if len(sums) == 5:
            unknown = 0 * sums[3]
            sums = torch.cat((sums, unknown.view(1)))
            sums[2] += unknown
        return cls(sums)

    @classmethod
    def of(
        cls,
        terms: Terms,
        window: Window,
        sizes: TokenSizes,
        step_weight: Tensor | float = 1.0,
    ) -> Sums:
        """Sum up one window; `step_weight` is what its shares were divided by."""
        targets, weights = window.targets, window.weights
        ones = torch.ones_like(targets, dtype=torch.float64)
        weight = ones if weights is None else weights.double()
        if terms.nats is None:
            total = terms.loss.detach().double() * step_weight
        else:
            total = (terms.nats.detach() * weight).sum()
        unguessed = weight.new_full((), math.nan if terms.nats is None else 0)
        right = unguessed if terms.right is None else (terms.right * weight).sum()
        characters, size, unknown = sizes.count(targets, weights)
        parts = [part.detach().double() * step_weight for part in terms.parts]
        sums = [total, weight.sum(), characters, size, right, unknown, *parts]
        return cls(torch.stack(sums))

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.values.to(other.values.device) + other.values)

    def metrics(self, columns: Columns, *, seconds: float, accuracy: bool) -> dict[str, Any]:
        """Return the metrics as fields of a record."""
        nats, weight, characters, size, right, unknown, *parts = self.values.tolist()
        loss = nats / weight if weight else math.nan
        bits = nats / math.log(2)
        if not columns.predicts_next:
            characters = size = math.nan
        measured = accuracy or not columns.predicts_next
        means = (part / weight if weight and math.isfinite(part) else None for part in parts)
        return {
            "loss": loss,
            "perplexity": perplexity(loss) if columns.predicts_next else None,
            "bits_per_character": bits / characters if characters > 0 else None,
            "bits_per_byte": bits / size if size > 0 else None,
            "parts": dict(zip(columns.parts, means, strict=True)),
            "accuracy": right / weight if measured and weight and not math.isnan(right) else None,
            "tokens": weight,
            "seconds": seconds,
            "tokens_per_second": weight / seconds if seconds else 0.0,
            "unknown": unknown / weight if weight and not math.isnan(unknown) else None,
        }
