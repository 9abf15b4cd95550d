"""Vectors of tokens from their characters.

Shapes: B rows, T window, E size of a vector, V vocabulary size, L characters of the longest token,
D size of a character's vector.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

import seqlab

PADDING, START, END = range(3)


class Highway(nn.Module):
    """t * g(W x + b) + (1 - t) * x, with t = sigmoid(W_t x + b_t): Srivastava et al., 2015."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.change, self.gate = nn.Linear(size, size), nn.Linear(size, size)
        nn.init.constant_(self.gate.bias, -2.0)  # at the start most goes past, as in the paper

    def forward(self, values: Tensor) -> Tensor:
        gate = self.gate(values).sigmoid()
        changed: Tensor = gate * self.change(values).relu() + (1 - gate) * values
        return changed


class CharacterCNN(nn.Module):
    """Convolutions over the characters of a token, of several widths: Kim et al., 2016.

    arXiv:1508.06615. Of each filter the largest value in the token counts, after tanh, and highway
    layers follow. Spaces at the ends of a token are left out. The vector of a token so depends on
    its spelling alone, and tokens without one, or with an equal one, have the same vector.

    Args:
        size: D, of the vector of a character.
        widths: of the filters, in characters.
        filters: how many there are of each width; a width w has w times as many, as in the paper,
            up to `most`.
        most: how many filters a width has at most.
        highways: how many highway layers follow.
        longest: how many characters of a token are read.
    """

    spelling: Tensor

    def __init__(
        self,
        vocabulary: seqlab.Vocabulary,
        *,
        size: seqlab.Count = 15,
        widths: Annotated[list[seqlab.Count], Field(min_length=1)] = [1, 2, 3, 4, 5, 6],  # noqa: B006 # nobody changes it
        filters: seqlab.Count = 25,
        most: seqlab.Count = 200,
        highways: Annotated[int, Field(ge=0, le=100)] = 1,
        longest: Annotated[int, Field(gt=0, le=2**10)] = 40,
    ) -> None:
        super().__init__()
        tokens = [_text(vocabulary, token)[:longest] for token in range(int(vocabulary))]
        self.register_buffer("spelling", _spelling(tokens, max(widths)), persistent=False)
        characters = len({*"".join(tokens)}) + END + 1
        self.characters = nn.Embedding(characters, size, padding_idx=PADDING)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(size, min(filters * width, most), width) for width in widths
        )
        self.output_size = sum(min(filters * width, most) for width in widths)
        self.highways = nn.Sequential(*(Highway(self.output_size) for _ in range(highways)))

    def forward(self, ids: Tensor) -> Tensor:
        characters = self.characters(self.spelling[ids.flatten()]).mT  # (B T, D, L)
        largest = [convolution(characters).amax(-1) for convolution in self.convolutions]
        vectors: Tensor = self.highways(torch.cat(largest, -1).tanh())
        return vectors.view(*ids.shape, -1)


def _text(vocabulary: seqlab.Vocabulary, token: int) -> str:
    return vocabulary.token_bytes(token).decode("utf-8", "replace").strip(" ")


def _spelling(tokens: list[str], widest: int) -> Tensor:
    """(V, L): a number for each character between a start and an end, then padding."""
    numbers = {c: n for n, c in enumerate(sorted({*"".join(tokens)}), END + 1)}
    rows = [torch.tensor([START, *(numbers[c] for c in text), END]) for text in tokens]
    table = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING)
    return functional.pad(table, (0, max(widest - table.shape[1], 0)), value=PADDING)


@seqlab.hookimpl
def seqlab_register_embeddings() -> dict[str, type]:
    return {"character_cnn": CharacterCNN}
