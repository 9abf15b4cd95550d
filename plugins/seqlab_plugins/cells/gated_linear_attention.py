"""Linear attention with a decaying memory, computed in chunks of the window.

Shapes: B rows, T window, I input size, O output size, N heads, K key size and V value size of
a head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqlab import Cell, Count, hookimpl
from seqlab.kernels import condition
from seqlab_plugins.cells.chunks import memory_of_keys

RANK = 16  # of the projection of the decay, as in the paper
TEMPERATURE = 16.0  # of its sigmoid, as in the paper


class GatedLinearAttention(nn.Module):
    """Gated linear attention: Yang et al., 2024, arXiv:2312.06635.

    In each head, with q, k and v linear in x (q scaled by 1 / sqrt(K)):

        a_t = sigmoid(W_2 W_1 x_t + b) ^ (1 / 16), between 0 and 1, one for each of K
        S_t = Diag(a_t) S_{t-1} + k_t^T v_t
        o_t = q_t S_t
        y_t = W_o (rms_norm(o_t) * swish(W_r x_t + b_r)), over the heads side by side

    The state is S, (B, N, K, V), and S_0 = 0.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: Count = 256,
        heads: Count = 4,
        key_size: Count = 32,
    ) -> None:
        """Make the projections.

        Args:
            input_size: I.
            hidden_size: O, the size of the outputs; a head has values of hidden_size / heads.
            heads: N, the number of memories, each with its own decay.
            key_size: K, the size of the queries and keys of one head.
        """
        super().__init__()
        if hidden_size % heads:
            raise ValueError(f"hidden_size ({hidden_size}) should be divisible by heads ({heads})")
        self.output_size = hidden_size
        self.state_shape = (heads, key_size, hidden_size // heads)
        keys = heads * key_size
        self.project = nn.Linear(input_size, 2 * keys + hidden_size, bias=False)
        self.decay = nn.Sequential(nn.Linear(input_size, RANK, bias=False), nn.Linear(RANK, keys))
        self.gate = nn.Linear(input_size, hidden_size)
        self.norm = nn.RMSNorm(hidden_size // heads, eps=1e-5)
        self.output = nn.Linear(hidden_size, hidden_size, bias=False)

    condition_here = staticmethod(condition)

    def forward(self, inputs: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        if state is None:
            state = self.gate.weight.new_zeros(len(inputs), *self.state_shape)
        query, key, value, decay = self._project(inputs, state.dtype)
        read, after = memory_of_keys(query, key, value, decay, state)
        gated = self.norm(read.to(state.dtype)).flatten(2) * functional.silu(self.gate(inputs))
        return self.output(gated), after

    def _project(self, inputs: Tensor, dtype: torch.dtype) -> tuple[Tensor, ...]:
        """q, k, v and the logarithm of a, each (B, T, N, K or V), in one dtype."""
        heads, key_size, value_size = self.state_shape
        keys = heads * key_size
        parts = self.project(inputs).split((keys, keys, heads * value_size), -1)
        query, key, value = (part.to(dtype).unflatten(-1, (heads, -1)) for part in parts)
        decay = functional.logsigmoid(self.decay(inputs).to(dtype)) / TEMPERATURE
        return query / key_size**0.5, key, value, decay.view(key.shape)


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"gated_linear_attention": GatedLinearAttention}
