"""Decoders and what to check them with. Shapes: B rows, V vocabulary size, t tokens so far."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqlab.contracts import Start, State, offered
from seqlab.randomness import uniforms
from seqlab.testing.promises import Subject, expect

ROWS, SIZE = 6, 17
HISTORY = 8
Arguments = tuple[Tensor, Tensor, Tensor]


def build_decoder(subject: Subject) -> Any:
    decoder = subject.build()
    either = any(callable(offered(decoder, name)) for name in ("choose", "search"))
    expect(either, "a method `choose` or `search`", type(decoder).__name__)
    return decoder


def draw_arguments(
    rows: int = ROWS, size: int = SIZE, length: int = HISTORY, uniform: float | None = None
) -> Arguments:
    """Logits, history and uniform; the latter spread over [0, 1) unless it is given."""
    generator = torch.Generator().manual_seed(size + length)
    logits = torch.randn(rows, size, generator=generator) * 2
    history = torch.randint(size, (rows, length), generator=generator)
    drawn = torch.rand(rows, generator=generator, dtype=torch.float64)
    return logits, history, drawn if uniform is None else torch.full_like(drawn, uniform)


class ToyModel:
    """A model whose state depends on all tokens so far: two numbers a row, in two shapes.

    A state that is not reordered with its row, in whole or in part, leads to other logits.
    """

    def __init__(self, size: int = SIZE) -> None:
        self.size = size

    def __call__(self, ids: Tensor, state: Any) -> tuple[Tensor, State]:
        first, (second,) = state
        after = (first * 31 + ids + 1) % 1_000_003, ((second * 37 + ids[:, None] + 1) % 999_983,)
        rows = (after[0] * 1_000_003 + after[1][0][:, 0])[:, None].expand(-1, self.size)
        tokens = torch.arange(self.size).expand_as(rows)
        return torch.from_numpy(4 * uniforms(0, rows.numpy(), tokens.numpy())).float(), after

    def start(self) -> Start:
        """Where a search begins, after a prefix of one token that differs from row to row."""
        numbers = torch.arange(ROWS)
        history = numbers[:, None] % self.size
        logits, state = self(history[:, 0], (numbers, (numbers[:, None] + 7,)))
        return Start(logits, state, history, numbers * 1_000 + 3)
