"""A matrix memory whose transition is a diagonal and one product, computed in chunks.

Shapes: B rows, T window, N heads, K key size and V value size of a head, C chunks, L tokens in a
chunk.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqlab_plugins.cells.chunks import (
    by_chunk,
    joined_chunks,
    solved_in_order,
    split_into_chunks,
)

# Tokens in a chunk: 0.88 of the time of 8, 64 gain no more; no script measures it yet. A float16
# holds exp(CHUNK / 2).
CHUNK = 16


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
        decay: d between -1 and 0, (B, T, N, K); its sums over a chunk are exponents, see below.
        memory: S_0, (B, N, K, V).

    Returns:
        o, (B, T, N, V), and the last S.
    """
    window = query.shape[1]
    query, key, value, looked, placed, decay = (
        split_into_chunks(part, CHUNK) for part in (query, key, value, looked, placed, decay)
    )
    since = decay.cumsum(-2)  # the logarithm of what is left after each token, (B, C, N, L, K)
    before, last = since - decay, since[..., -1:, :]
    # Pairs of tokens are products: what is left from j to i is exp(since_i) / exp(since_j). Seen
    # from the middle of its range, neither is large, since each decay is at least -1.
    middle = last / 2
    reading, looking = query * (since - middle).exp(), looked * (before - middle).exp()
    found_placed, found_keys = ((part * (middle - since).exp()).mT for part in (placed, key))
    read_placed, read_keys = ((reading @ part).tril() for part in (found_placed, found_keys))
    # a_t looks at S_{t-1}, so only at tokens before its own
    seen_placed, seen_keys = ((looking @ part).tril(-1) for part in (found_placed, found_keys))
    given = torch.cat((seen_keys @ value, looked * before.exp()), -1)
    solved = solved_in_order(-seen_placed, given, memory.dtype)
    fixed, moving = torch.split(solved, [value.shape[-1], key.shape[-1]], -1)
    at_end = (last - since).exp()
    written, kept = (at_end * placed).mT, (at_end * key).mT @ value
    outputs = []
    for fix, move, add, read, direct, write, keep, left in by_chunk(
        fixed,
        moving,
        read_keys @ value,
        read_placed,
        query * since.exp(),
        written,
        kept,
        last.exp().mT,
    ):
        found = fix + move @ memory  # u, (B, N, L, V)
        outputs.append(add + read @ found + direct @ memory)
        memory = left * memory + write @ found + keep
    return joined_chunks(torch.stack(outputs, 1), window), memory
