"""Linear attention with a decaying memory, computed in chunks of the window.

Shapes: B rows, T window, I input size, O output size, N heads, K key size and V value size of
a head, C chunks, L tokens in a chunk.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqlab import Cell, Count, hookimpl
from seqlab.kernels import condition, linear_scan, tuning

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
        read, after = _attend(self._project(inputs, state.dtype), state)
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


def _attend(parts: Sequence[Tensor], state: Tensor) -> tuple[Tensor, Tensor]:
    """Return the outputs (B, T, N, V) and the memory after; `parts` are those of `_project`.

    Nothing is divided by a decay: each sum of logarithms is the decay from a token to a later one,
    so its exponential is between 0 and 1.
    """
    window = parts[0].shape[1]
    query, key, value, decay = map(_split_into_chunks, parts)
    left = _decay_between(decay).exp() * key.unsqueeze(-3)  # (B, C, N, L, L, K), of each key
    scores = (left @ query.unsqueeze(-1)).squeeze(-1)  # (B, C, N, L, L)
    kept = left[..., -1, :, :].mT @ value  # (B, C, N, K, V)
    so_far = decay.cumsum(-2)
    forget = so_far[..., -1, :, None].exp().expand_as(kept)
    memories = linear_scan(forget, kept, state)  # (B, C, N, K, V), after each chunk
    before = torch.cat((state.unsqueeze(1), memories[:, :-1]), 1)
    read = scores @ value + (query * so_far.exp()) @ before
    return read.transpose(2, 3).flatten(1, 2)[:, :window], memories[:, -1]


def _split_into_chunks(part: Tensor) -> Tensor:
    """(B, T, N, K) -> (B, C, N, L, K), padded with zeros: no decay, and no keys."""
    length = min(tuning.ATTENTION_CHUNK, part.shape[1])
    padded = functional.pad(part, (0, 0, 0, 0, 0, -part.shape[1] % length))
    return padded.reshape(part.shape[0], -1, length, *part.shape[2:]).transpose(2, 3)


def _decay_between(decay: Tensor) -> Tensor:
    """Sums of (..., L, K) over the tokens after j and up to i, at (..., i, j, K); -inf for j > i.

    Each j has its own sum: differences of sums from the start would lose digits.
    """
    length = decay.shape[-2]
    later = torch.ones(length, length, dtype=torch.bool, device=decay.device).tril(-1)
    repeated = decay.unsqueeze(-2).expand(*decay.shape[:-1], length, decay.shape[-1])
    sums = repeated.masked_fill(~later.unsqueeze(-1), 0).cumsum(-3)
    return sums.masked_fill(later.mT.unsqueeze(-1), float("-inf"))


@hookimpl
def seqlab_register_cells() -> dict[str, type[Cell]]:
    return {"gated_linear_attention": GatedLinearAttention}
