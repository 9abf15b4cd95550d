"""Sums over targets, and the metrics that follow from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqlab.contracts import Tokenizer, offered
from seqlab.training.loss import perplexity

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

    `values` (6,) float64: weighted nats, weight, characters, bytes, weight of right guesses,
    weight of unknown targets.
    """

    values: Tensor

    @classmethod
    def zero(cls) -> Sums:
        return cls(torch.zeros(6, dtype=torch.float64))

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
        nats: Tensor,
        targets: Tensor,
        weights: Tensor | None,
        sizes: TokenSizes,
        right: Tensor | None = None,
    ) -> Sums:
        """Sum up one batch; all arguments but `sizes` are (B, T)."""
        weight = (torch.ones_like(nats) if weights is None else weights).double()
        right_weight = weight.new_zeros(()) if right is None else (right * weight).sum()
        characters, size, unknown = sizes.count(targets, weights)
        total = (nats.detach() * weight).sum()
        return cls(torch.stack([total, weight.sum(), characters, size, right_weight, unknown]))

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.values.to(other.values.device) + other.values)

    def metrics(self, *, seconds: float, accuracy: bool) -> dict[str, Any]:
        """Return the metrics as fields of a record."""
        nats, weight, characters, size, right, unknown = self.values.tolist()
        loss = nats / weight if weight else math.nan
        bits = nats / math.log(2)
        return {
            "loss": loss,
            "perplexity": perplexity(loss),
            "bits_per_character": bits / characters if characters > 0 else None,
            "bits_per_byte": bits / size if size > 0 else None,
            "accuracy": right / weight if accuracy and weight else None,
            "tokens": weight,
            "seconds": seconds,
            "tokens_per_second": weight / seconds if seconds else 0.0,
            "unknown": unknown / weight if weight and not math.isnan(unknown) else None,
        }
