"""Attention over the last tokens, whose keys and values are the state.

Shapes: B rows, T window, I input size, O output size, N heads, K key size of a head, R slots for
tokens before the window.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from seqlab import Cell, Count, hookimpl

State = tuple[Tensor, Tensor, Tensor]
BASE = 10_000.0  # of the frequencies, as in RoFormer


class CausalAttention(nn.Module):
    """Attention of several heads with rotary positions, over a bounded past.

    Vaswani et al., 2017, arXiv:1706.03762; Su et al., 2021, RoFormer, arXiv:2104.09864. In each
    head, with q, k and v linear in x and R_n the rotation by n positions:

        s_{t,j} = (R_t q_t) · (R_j k_j) / sqrt(K), for t - context < j <= t
        y_t = W_o sum_j softmax_j(s_t) v_j

    The state is the last R = context - 1 keys and values, (B, R, N, K) each with the latest last,
    and the number of tokens that each row has seen, (B,) int64, which says how many slots are
    filled. Keys are kept without rotation and rotated by their index in the current window: only
    distances matter, so positions stay small.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        heads: Count = 4,
        context: Annotated[int, Field(gt=1, le=2**20)] = 128,
    ) -> None:
        """Make the projections.

        Args:
            input_size: I.
            hidden_size: O, the size of the outputs; a head has keys of hidden_size / heads.
            heads: N, how many distributions over the past each token has.
            context: how many tokens each token attends to, itself included, across windows.
        """
        super().__init__()
        if hidden_size % (2 * heads):
            raise ValueError(
                f"hidden_size ({hidden_size}) should be divisible by twice the heads ({heads}):"
                " positions are rotations of pairs"
            )
        self.output_size = hidden_size
        self.heads = heads
        self.context = context
        self.project = nn.Linear(input_size, 3 * hidden_size, bias=False)
        self.output = nn.Linear(hidden_size, hidden_size, bias=False)

    def forward(self, inputs: Tensor, state: State | None) -> tuple[Tensor, State]:
        keys, values, seen = state if state is not None else self._fresh(len(inputs))
        parts = self.project(inputs).to(keys.dtype).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.unbind(2)  # (B, T, N, K) each
        keys, values = torch.cat((keys, key), 1), torch.cat((values, value), 1)
        read = self._attend(query, keys, values, seen)
        past, window = self.context - 1, inputs.shape[1]
        return self.output(read.flatten(2)), (keys[:, -past:], values[:, -past:], seen + window)

    def _attend(self, query: Tensor, keys: Tensor, values: Tensor, seen: Tensor) -> Tensor:
        """Attend with queries (B, T, N, K) to keys and values (B, R + T, N, K)."""
        positions = torch.arange(keys.shape[1], device=keys.device)
        now = positions[self.context - 1 :]  # (T,)
        query, keys = _rotate(query, now), _rotate(keys, positions)
        read = functional.scaled_dot_product_attention(
            query.transpose(1, 2),
            keys.transpose(1, 2),
            values.transpose(1, 2),
            attn_mask=self._mask(positions, now, seen),
        )
        return read.transpose(1, 2)

    def _mask(self, positions: Tensor, now: Tensor, seen: Tensor) -> Tensor:
        """The positions that each token may attend to: (B, 1, T, R + T) bool."""
        distance = now.unsqueeze(1) - positions  # (T, R + T)
        near = (distance >= 0) & (distance < self.context)
        filled = positions >= self.context - 1 - seen.unsqueeze(1)  # (B, R + T)
        return near & filled[:, None, None]

    def _fresh(self, rows: int) -> State:
        size = (rows, self.context - 1, self.heads, self.output_size // self.heads)
        weight = self.output.weight
        return weight.new_zeros(size), weight.new_zeros(size), weight.new_zeros(rows).long()


def _rotate(vectors: Tensor, positions: Tensor) -> Tensor:
    """Rotate (B, S, N, K) by positions (S,); each pair of dimensions has its own frequency."""
    half = vectors.shape[-1] // 2
    frequency = BASE ** -(torch.arange(half, device=positions.device) / half)
    # With the 8 bits of bfloat16 the products with positions are exact, so that equal distances
    # are equal angles wherever a window begins.
    frequency = frequency.bfloat16().to(vectors.dtype)
    angles = (positions.unsqueeze(1) * frequency).unsqueeze(1)  # (S, 1, K / 2)
    x, y = vectors.chunk(2, -1)
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat((x * cosine - y * sine, x * sine + y * cosine), -1)


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"causal_attention": CausalAttention}
