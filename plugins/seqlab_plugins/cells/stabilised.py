"""A matrix memory with exponential gates over a whole window, computed in chunks.

Shapes: B rows, T window, N heads, K key size and V value size of a head, C chunks, L tokens in a
chunk.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqlab.kernels import linear_scan, tuning
from seqlab_plugins.cells.chunks import decay_between, joined_chunks, split_into_chunks


def stabilised_memory(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    decay: Tensor,
    entry: Tensor,
    memory: Tensor,
    largest: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """S_t = exp(d_t + m_{t-1} - m_t) S_{t-1} + exp(i_t - m_t) k_t v_t^T and o_t = S_t^T q_t.

    The stabiliser m_t = max(d_t + m_{t-1}, i_t) is known for the whole window before anything is
    summed up. What is exact about it does not matter, as long as all sums are divided by the same.

    Args:
        query: (B, T, N, K).
        key: (B, T, N, K).
        value: (B, T, N, V).
        decay: d <= 0, (B, T, N).
        entry: i, (B, T, N).
        memory: S_0, (B, N, K, V).
        largest: m_0, (B, N).

    Returns:
        o, (B, T, N, V), every m, (B, T, N), and the last S.
    """
    window, length = query.shape[1], tuning.MEMORY_CHUNK
    stabilisers = _stabilisers(decay, entry, largest)
    least = torch.finfo(entry.dtype).min / 4  # of padding: exp of it is 0, and sums stay finite
    short = -window % min(length, window)
    padded = torch.nn.functional.pad
    before = torch.cat((largest.unsqueeze(1), stabilisers), 1)  # m before each token, and at last
    at_start = before[:, :window:length] if window > length else before[:, :1]  # (B, C, N)
    entry = padded(entry, (0, 0, 0, short), value=least)
    after = torch.cat((stabilisers, stabilisers[:, -1:].expand(-1, short, -1)), 1)
    query, key, value, decay, entry, after = (
        split_into_chunks(part, length)
        for part in (query, key, value, *(each.unsqueeze(-1) for each in (decay, entry, after)))
    )
    weights = decay_between(decay).squeeze(-1) + entry.mT - after  # (B, C, N, L, L)
    weights = weights.exp()
    carried = (decay.cumsum(-2) + at_start[..., None, None] - after).exp()  # (B, C, N, L, 1)
    kept = key.mT @ (weights[..., -1, :].unsqueeze(-1) * value)  # (B, C, N, K, V)
    memories = linear_scan(carried[..., -1:, :].expand_as(kept), kept, memory)
    earlier = torch.cat((memory.unsqueeze(1), memories[:, :-1]), 1)
    read = (query @ key.mT * weights) @ value + (query @ earlier) * carried
    return joined_chunks(read, window), stabilisers, memories[:, -1]


def _stabilisers(decay: Tensor, entry: Tensor, largest: Tensor) -> Tensor:
    """m_t = max(d_t + m_{t-1}, i_t) of each token, (B, T, N)."""
    if decay.shape[1] == 1:  # one token, as in a step
        return torch.maximum(decay + largest.unsqueeze(1), entry)
    so_far = decay.cumsum(1)
    highest = torch.cat((largest.unsqueeze(1), entry - so_far), 1).cummax(1).values[:, 1:]
    return so_far + highest
