"""Sums in -> the numbers of a row out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqlab.contracts import Tokenizer
from seqlab.training.loss import perplexity

STAND_IN = "\ufffd".encode()  # Unicode's character for text that is not known


@dataclass(frozen=True)
class TokenSizes:
    """(2, V) float64: how many characters begin in each token, and how many bytes it has.

    A token that stands for unknown text is one character, and of bytes that nobody knows: NaN, as
    is every sum with it.
    """

    table: Tensor

    @classmethod
    def of(cls, tokenizer: Tokenizer, device: torch.device) -> TokenSizes:
        everything = [tokenizer.token_bytes(token) for token in range(tokenizer.size)]
        characters = [sum((byte & 0xC0) != 0x80 for byte in data) for data in everything]
        table = torch.tensor([characters, list(map(len, everything))], dtype=torch.float64)
        table[1, [data == STAND_IN for data in everything]] = math.nan
        return cls(table.to(device))

    def count(self, targets: Tensor, weights: Tensor | None) -> Tensor:
        """Return (2,): characters and bytes of the targets that count at all."""
        sizes = self.table[:, targets.flatten()]
        if weights is not None:
            sizes = sizes.where((weights > 0).flatten(), 0)
        return sizes.sum(1)


@dataclass(frozen=True)
class Sums:
    """float64 on the model's device, until somebody reads them.

    `values` (5,): weighted nats, weights, characters, bytes, weighted right guesses.
    """

    values: Tensor

    @classmethod
    def zero(cls) -> Sums:
        return cls(torch.zeros(5, dtype=torch.float64))

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
        return cls(torch.stack(parts))

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.values.to(other.values.device) + other.values)

    def measures(self, *, seconds: float, accuracy: bool) -> dict[str, Any]:
        """Return the fields of a record that come from the sums."""
        nats, weight, characters, size, right = self.values.tolist()
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
        }
