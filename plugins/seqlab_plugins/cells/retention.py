"""Linear attention with a fixed decay for each head, and rotary positions.

Shapes: B rows, T window, I input size, O output size, N heads, K key size and V value size of a
head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqlab import Cell, Count, hookimpl
from seqlab.kernels import condition
from seqlab_plugins.cells.chunks import memory_of_heads

BASE = 10_000.0  # of the frequencies, as in RoFormer


class Retention(nn.Module):
    """Multi-scale retention: Sun et al., 2023, "Retentive network", arXiv:2307.08621.

    In each head n = 0, 1, ..., with q, k and v linear in x, q scaled by 1 / sqrt(K), and R_t the
    rotation by t positions:

        S_t = (1 - 2^(-5-n)) S_{t-1} + (R_t k_t) v_t^T
        o_t = S_t^T R_t q_t
        y_t = W_o (layer_norm(o_t) * swish(W_g x_t)), over the heads side by side

    The state is S, (B, N, K, V), turned back so that the last token has position 0; S_0 = 0. Only
    distances matter, so positions need not be counted.
    """

    def __init__(
        self, input_size: int, *, hidden_size: Count = 256, heads: Count = 4, key_size: Count = 32
    ) -> None:
        """Make the projections.

        Args:
            input_size: I.
            hidden_size: O, the size of the outputs; a head has values of hidden_size / heads.
            heads: N, the number of memories, each with its own decay.
            key_size: K, the size of the queries and keys of one head; an even number.
        """
        super().__init__()
        if hidden_size % heads:
            raise ValueError(f"hidden_size ({hidden_size}) should be divisible by heads ({heads})")
        if key_size % 2:
            raise ValueError(f"key_size ({key_size}) should be even: positions are rotations")
        self.output_size = hidden_size
        self.state_shape = (heads, key_size, hidden_size // heads)
        self.project = nn.Linear(input_size, 2 * heads * key_size + hidden_size, bias=False)
        self.gate = nn.Linear(input_size, hidden_size, bias=False)
        self.norm = nn.LayerNorm(hidden_size // heads, elementwise_affine=False)
        self.output = nn.Linear(hidden_size, hidden_size, bias=False)

    condition_here = staticmethod(condition)

    def forward(self, inputs: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        if state is None:
            state = self.output.weight.new_zeros(inputs.shape[0], *self.state_shape)
        heads, key_size, _ = self.state_shape
        keys, window = heads * key_size, inputs.shape[1]
        parts = self.project(inputs).to(state.dtype).split((keys, keys, self.output_size), -1)
        query, key, value = (part.unflatten(-1, (heads, -1)) for part in parts)
        positions = torch.arange(1, window + 1, device=inputs.device)
        query, key = _rotate(query, positions), _rotate(key, positions)
        numbers = torch.arange(heads, device=inputs.device, dtype=state.dtype)
        decay = torch.log1p(-(2.0 ** (-5 - numbers))).expand(inputs.shape[0], window, heads)
        read, after = memory_of_heads(query / key_size**0.5, key, value, decay, state)
        gated = self.norm(read).flatten(2) * functional.silu(self.gate(inputs))
        return self.output(gated), _rotate(after.mT, -positions[-1:]).mT


def _rotate(vectors: Tensor, positions: Tensor) -> Tensor:
    """Rotate (B, T, N, K) by positions (T,), or (..., K) by one position (1,)."""
    half = vectors.shape[-1] // 2
    pairs = torch.arange(half, device=positions.device, dtype=vectors.dtype)
    angles = (positions.unsqueeze(1) * BASE ** (-pairs / half)).unsqueeze(1)  # (T, 1, K / 2)
    x, y = vectors.chunk(2, -1)
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat((x * cosine - y * sine, x * sine + y * cosine), -1)


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"retention": Retention}
