"""Sums in -> the numbers of a row out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqlab.contracts import Tokenizer
from seqlab.training.loss import perplexity

STAND_IN = "\ufffd".encode()  # Unicode's character for text that is not known
SUMS = 6


class TokenSize(NamedTuple):
    """How many characters begin in a token, how many bytes it has, and whether it is unknown.

    Of unknown text, and of ids that have none, nobody can know: NaN, as is every sum with it.
    """

    characters: float
    bytes: float
    unknown: bool

    @classmethod
    def of(cls, tokenizer: Tokenizer, token: int) -> TokenSize:
        data = tokenizer.token_bytes(token)
        if hasattr(tokenizer, "unknown_token"):
            unknown = token == tokenizer.unknown_token
        else:
            unknown = data == STAND_IN
        if unknown or not getattr(tokenizer, "has_text", True):
            return cls(math.nan, math.nan, unknown)
        return cls(sum((byte & 0xC0) != 0x80 for byte in data), len(data), unknown)


@dataclass(frozen=True)
class TokenSizes:
    """(3, V) float64: the `TokenSize` of every token."""

    table: Tensor

    @classmethod
    def of(cls, tokenizer: Tokenizer, device: torch.device) -> TokenSizes:
        sizes = [TokenSize.of(tokenizer, token) for token in range(tokenizer.size)]
        return cls(torch.tensor(sizes, dtype=torch.float64).view(-1, 3).t().contiguous().to(device))

    def count(self, targets: Tensor, weights: Tensor | None) -> Tensor:
        """Return (3,): characters and bytes of the targets that count; weight of unknown ones."""
        sizes = self.table[:, targets.flatten()]
        if weights is not None:
            counts = weights.flatten()
            sizes = sizes.where(counts > 0, 0)
            sizes[2] *= counts
        return sizes.sum(1)


@dataclass(frozen=True)
class Sums:
    """float64 on the model's device, until somebody reads them.

    `values` (6,): weighted nats, weights, characters, bytes, weighted right guesses, weight of
    the unknown targets.
    """

    values: Tensor

    @classmethod
    def zero(cls) -> Sums:
        return cls(torch.zeros(SUMS, dtype=torch.float64))

    @classmethod
    def saved(cls, values: Sequence[float] | Tensor) -> Sums:
        """Come back from a checkpoint; older ones have five values.

        They counted an unknown target as one character, and its bytes as NaN. How many there were
        is not known then.
        """
        found = torch.as_tensor(values, dtype=torch.float64)
        if len(found) < SUMS:
            had_unknown = 0 * found[3]  # or NaN
            found = torch.cat((found, had_unknown.view(1)))
            found[2] += had_unknown
        return cls(found)

    @classmethod
    def of(
        cls,
        nats: Tensor,
        targets: Tensor,
        weights: Tensor | None,
        sizes: TokenSizes,
        right: Tensor | None = None,
    ) -> Sums:
        """Sum up one batch: nats (B, T) of its targets, and which guesses were right (B, T)."""
        exact = (torch.ones_like(nats) if weights is None else weights).double()
        guessed = exact.new_zeros(()) if right is None else (right * exact).sum()
        counted = sizes.count(targets, weights)
        parts = [(nats.detach() * exact).sum(), exact.sum(), counted[0], counted[1], guessed]
        return cls(torch.stack([*parts, counted[2]]))

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.values.to(other.values.device) + other.values)

    def measures(self, *, seconds: float, accuracy: bool) -> dict[str, Any]:
        """Return the fields of a record that come from the sums."""
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
