"""A model that is made up, to try decoders with. Shapes: B rows, V vocabulary size."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqlab.contracts import Start, State
from seqlab.randomness import uniforms

ROWS, SIZE = 6, 17


class Toy:
    """A model whose state is made of all tokens so far: two numbers a row, in two shapes.

    So a state that is not reordered with its row, in whole or in part, leads to other logits.
    """

    def __init__(self, size: int = SIZE) -> None:
        self.size = size

    def __call__(self, ids: Tensor, state: Any) -> tuple[Tensor, State]:
        one, (other,) = state
        after = (one * 31 + ids + 1) % 1_000_003, ((other * 37 + ids[:, None] + 1) % 999_983,)
        rows = (after[0] * 1_000_003 + after[1][0][:, 0])[:, None].expand(-1, self.size)
        tokens = torch.arange(self.size).expand_as(rows)
        return torch.from_numpy(4 * uniforms(0, rows.numpy(), tokens.numpy())).float(), after

    def start(self, rows: int = ROWS) -> Start:
        """Prefixes that differ from row to row, and were read."""
        numbers = torch.arange(rows)
        history = numbers[:, None] % self.size
        logits, state = self(history[:, 0], (numbers, (numbers[:, None] + 7,)))
        return Start(logits, state, history, numbers * 1_000 + 3)
