"""Two ways to add tensors of all processes in the order of one tree, in place, to the same bits.

Both need W, the number of processes, to be a power of two. Doubling is for small tensors: it sends
everything log2(W) times, to one process at a time. Chunks are for large ones: they send everything
2 (W - 1) / W times, as a ring does, to all at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from seqlab.distributed.tree import tree_sum


class Exchange(Protocol):
    """Send tensors to other processes and receive theirs, by rank; all are 1-D and contiguous."""

    def __call__(self, sent: Mapping[int, Tensor], received: Mapping[int, Tensor]) -> None: ...


def add_by_doubling(tensors: Sequence[Tensor], rank: int, size: int, exchange: Exchange) -> None:
    """Add with another half of the tree in each of log2(W) rounds.

    Both of a pair add the same two numbers, and a + b is b + a to the bit, so all processes have
    the sum of one tree.
    """
    ordered = sorted(tensors, key=Tensor.element_size, reverse=True)  # so each is aligned
    sizes = [tensor.nbytes for tensor in ordered]
    distance = 1
    while distance < size:
        partner = rank ^ distance
        sent = torch.cat([tensor.view(-1).view(torch.uint8) for tensor in ordered])
        received = torch.empty_like(sent)
        exchange({partner: sent}, {partner: received})
        parts = zip(ordered, torch.split(received, sizes), strict=True)
        torch._foreach_add_(ordered, [part.view(t.dtype).view_as(t) for t, part in parts])
        distance *= 2


def add_by_chunks(tensor: Tensor, rank: int, size: int, exchange: Exchange) -> None:
    """Add a 1-D tensor, of which each process adds one chunk and gives its sum to all."""
    chunks = tensor.tensor_split(size)
    own, others = chunks[rank], [other for other in range(size) if other != rank]
    of_all = own.new_empty(size, len(own))
    of_all[rank] = own
    exchange({r: chunks[r] for r in others}, {r: of_all[r] for r in others})
    own.copy_(tree_sum(of_all.unbind(), Tensor.add_))
    exchange(dict.fromkeys(others, own), {r: chunks[r] for r in others})
