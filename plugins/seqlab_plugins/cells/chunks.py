"""Matrix memories over a whole window, computed in chunks.

A chunk is read at once, as attention inside it; from chunk to chunk goes the memory alone. So the
work and the memory of a window grow with its length, and not with its square.

Shapes: B rows, T window, N heads, K key size and V value size of a head, C chunks, L tokens in a
chunk.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from seqlab.kernels import linear_scan, tuning


def split_into_chunks(part: Tensor, most: int) -> Tensor:
    """(B, T, N, K) -> (B, C, N, L, K), padded with zeros: no decay, and no keys."""
    length = min(most, part.shape[1])
    padded = functional.pad(part, (0, 0, 0, 0, 0, -part.shape[1] % length))
    return padded.reshape(part.shape[0], -1, length, *part.shape[2:]).transpose(2, 3)


def joined_chunks(chunks: Tensor, window: int) -> Tensor:
    """(B, C, N, L, V) -> (B, T, N, V), without the padding."""
    return chunks.transpose(2, 3).flatten(1, 2)[:, :window]


def by_chunk(*parts: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield the parts (B, C, ...) of each chunk.

    They are unbound at once: the gradient of an index fills a tensor of the whole window.
    """
    return zip(*(part.unbind(1) for part in parts), strict=True)


def decay_between(decay: Tensor) -> Tensor:
    """Sums of (..., L, K) over the tokens after j and up to i, at (..., i, j, K); -inf for j > i.

    Each j has its own sum: differences of sums from the start would lose digits.
    """
    length = decay.shape[-2]
    later = torch.ones(length, length, dtype=torch.bool, device=decay.device).tril(-1)
    repeated = decay.unsqueeze(-2).expand(*decay.shape[:-1], length, decay.shape[-1])
    sums = repeated.masked_fill(~later.unsqueeze(-1), 0).cumsum(-3)
    return sums.masked_fill(later.mT.unsqueeze(-1), float("-inf"))


def solved_in_order(lower: Tensor, given: Tensor, dtype: torch.dtype) -> Tensor:
    """Solve (1 + A) x = b, with A below the diagonal; in float32 at least, which half sizes lack.

    Args:
        lower: A, (..., L, L).
        given: b, (..., L, V).
        dtype: of the result.
    """
    if lower.shape[-1] == 1:  # one token, as in a step: nothing is below the diagonal
        return given.to(dtype)
    exact = torch.promote_types(dtype, torch.float32)
    lower, given = lower.to(exact), given.to(exact)
    solved: Tensor = torch.linalg.solve_triangular(lower, given, upper=False, unitriangular=True)
    return solved.to(dtype)


def memory_of_keys(
    query: Tensor, key: Tensor, value: Tensor, decay: Tensor, memory: Tensor
) -> tuple[Tensor, Tensor]:
    """S_t = Diag(exp d_t) S_{t-1} + k_t v_t^T and o_t = S_t^T q_t, with a decay for each of K.

    Nothing is divided by a decay: each sum of logarithms is the decay from a token to a later one,
    so its exponential is between 0 and 1.

    Args:
        query: (B, T, N, K).
        key: (B, T, N, K).
        value: (B, T, N, V).
        decay: d <= 0, (B, T, N, K).
        memory: S_0, (B, N, K, V).

    Returns:
        o, (B, T, N, V), and the last S.
    """
    window = query.shape[1]
    query, key, value, decay = (
        split_into_chunks(part, tuning.ATTENTION_CHUNK) for part in (query, key, value, decay)
    )
    left = decay_between(decay).exp() * key.unsqueeze(-3)  # (B, C, N, L, L, K), of each key
    scores = (left @ query.unsqueeze(-1)).squeeze(-1)  # (B, C, N, L, L)
    kept = left[..., -1, :, :].mT @ value  # (B, C, N, K, V)
    so_far = decay.cumsum(-2)
    forget = so_far[..., -1, :, None].exp().expand_as(kept)
    memories = linear_scan(forget, kept, memory)  # (B, C, N, K, V), after each chunk
    before = torch.cat((memory.unsqueeze(1), memories[:, :-1]), 1)
    read = scores @ value + (query * so_far.exp()) @ before
    return joined_chunks(read, window), memories[:, -1]


def memory_of_heads(
    query: Tensor, key: Tensor, value: Tensor, decay: Tensor, memory: Tensor
) -> tuple[Tensor, Tensor]:
    """S_t = exp(d_t) S_{t-1} + k_t v_t^T and o_t = S_t^T q_t, with one decay for a head.

    Args:
        query: (B, T, N, K), or (B, T, 1, K) for all heads.
        key: likewise.
        value: (B, T, N, V).
        decay: d <= 0, (B, T, N).
        memory: S_0, (B, N, K, V).

    Returns:
        o, (B, T, N, V), and the last S.
    """
    window, length = query.shape[1], tuning.MEMORY_CHUNK
    query, key, value = (split_into_chunks(part, length) for part in (query, key, value))
    decay = split_into_chunks(decay.unsqueeze(-1), length)  # (B, C, N, L, 1)
    left = decay_between(decay).squeeze(-1).exp()  # (B, C, N, L, L)
    kept = key.mT @ (left[..., -1, :].unsqueeze(-1) * value)  # (B, C, N, K, V)
    so_far = decay.cumsum(-2).exp()
    memories = linear_scan(so_far[..., -1:, :].expand_as(kept), kept, memory)
    before = torch.cat((memory.unsqueeze(1), memories[:, :-1]), 1)
    read = (query @ key.mT * left) @ value + (query @ before) * so_far
    return joined_chunks(read, window), memories[:, -1]


def memory_of_errors(
    query: Tensor, key: Tensor, value: Tensor, strength: Tensor, decay: Tensor, memory: Tensor
) -> tuple[Tensor, Tensor]:
    """S_t = S' + b_t k_t (v_t - S'^T k_t)^T with S' = exp(d_t) S_{t-1}, and o_t = S_t^T q_t.

    Yang et al., 2024, "Parallelizing linear transformers with the delta rule over sequence length",
    arXiv:2406.06484: what is written at each token of a chunk solves one triangular system.

    Args:
        query: (B, T, N, K).
        key: (B, T, N, K).
        value: (B, T, N, V).
        strength: b, (B, T, N).
        decay: d <= 0, (B, T, N).
        memory: S_0, (B, N, K, V).

    Returns:
        o, (B, T, N, V), and the last S.
    """
    window, length = query.shape[1], tuning.MEMORY_CHUNK
    query, key, value, strength, decay = (
        split_into_chunks(part, length)
        for part in (query, key, value, strength.unsqueeze(-1), decay.unsqueeze(-1))
    )
    left = decay_between(decay).squeeze(-1).exp()  # (B, C, N, L, L)
    so_far = decay.cumsum(-2).exp()  # (B, C, N, L, 1)
    met = (strength * (key @ key.mT) * left).tril(-1)
    given = strength * torch.cat((value, so_far * key), -1)
    solved = solved_in_order(met, given, memory.dtype)
    fixed, moving = torch.split(solved, [value.shape[-1], key.shape[-1]], -1)
    scores, reading = query @ key.mT * left, query * so_far
    keeping = (left[..., -1, :].unsqueeze(-1) * key).mT  # (B, C, N, K, L)
    outputs = []
    for fix, move, score, read, keep, kept in by_chunk(
        fixed, moving, scores, reading, keeping, so_far[..., -1:, :]
    ):
        written = fix - move @ memory  # (B, N, L, V)
        outputs.append(score @ written + read @ memory)
        memory = kept * memory + keep @ written
    return joined_chunks(torch.stack(outputs, 1), window), memory
