"""A matrix memory whose transition is a diagonal and one product, computed in chunks.

Shapes: B rows, T window, N heads, K key size and V value size of a head, C chunks, L tokens in a
chunk.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqlab.kernels import tuning
from seqlab_plugins.cells.chunks import (
    decay_between,
    joined_chunks,
    solved_in_order,
    split_into_chunks,
)


def memory_of_removals(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    looked: Tensor,
    placed: Tensor,
    decay: Tensor,
    memory: Tensor,
) -> tuple[Tensor, Tensor]:
    """S_t = Diag(exp d_t) S_{t-1} + b_t a_t^T S_{t-1} + k_t v_t^T and o_t = S_t^T q_t.

    In a chunk, u_t = S_{t-1}^T a_t of all tokens solve one triangular system, as in the delta rule.

    Args:
        query: (B, T, N, K).
        key: (B, T, N, K).
        value: (B, T, N, V).
        looked: a, (B, T, N, K).
        placed: b, (B, T, N, K).
        decay: d <= 0, (B, T, N, K).
        memory: S_0, (B, N, K, V).

    Returns:
        o, (B, T, N, V), and the last S.
    """
    window, length = query.shape[1], tuning.ATTENTION_CHUNK
    query, key, value, looked, placed, decay = (
        split_into_chunks(part, length) for part in (query, key, value, looked, placed, decay)
    )
    left = decay_between(decay).exp()  # (B, C, N, L, L, K): from after j up to i
    so_far = decay.cumsum(-2).exp()
    # a_t looks at S_{t-1}, so what is left of it is that of the token before
    left_before = torch.cat((torch.zeros_like(left[..., :1, :, :]), left[..., :-1, :, :]), -3)
    so_far_before = torch.cat((torch.ones_like(so_far[..., :1, :]), so_far[..., :-1, :]), -2)
    seen_placed, seen_keys = (_met(looked, left_before, part) for part in (placed, key))
    read_placed, read_keys = (_met(query, left, part) for part in (placed, key))
    given = torch.cat((seen_keys @ value, looked * so_far_before), -1)
    solved = solved_in_order(-seen_placed, given, memory.dtype)
    fixed, moving = torch.split(solved, [value.shape[-1], key.shape[-1]], -1)
    at_end = left[..., -1, :, :]  # (B, C, N, L, K)
    written, kept = (at_end * placed).mT, (at_end * key).mT @ value
    reading, added = query * so_far, read_keys @ value
    outputs = []
    for chunk in range(query.shape[1]):
        found = fixed[:, chunk] + moving[:, chunk] @ memory  # u, (B, N, L, V)
        outputs.append(added[:, chunk] + read_placed[:, chunk] @ found + reading[:, chunk] @ memory)
        decayed = so_far[:, chunk, :, -1].unsqueeze(-1) * memory
        memory = decayed + written[:, chunk] @ found + kept[:, chunk]
    return joined_chunks(torch.stack(outputs, 1), window), memory


def _met(looking: Tensor, left: Tensor, key: Tensor) -> Tensor:
    """How much each token (..., L, K) finds of each key, after what is left of it: (..., L, L)."""
    return ((left * key.unsqueeze(-3)) @ looking.unsqueeze(-1)).squeeze(-1)
