"""Tensors are added in the order of one tree, whichever way they travel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from queue import Queue

import pytest
import torch

from seqlab.distributed.adding import add_by_chunks, add_by_doubling
from seqlab.distributed.tree import tree_sum

SIZES = [2, 4, 8]


class Wires:
    """What carries tensors between the threads of a test, in order."""

    def __init__(self, size):
        self.queues = {(i, j): Queue() for i in range(size) for j in range(size)}
        self.sent = dict.fromkeys(range(size), 0)

    def exchange_of(self, rank):
        def exchange(sent, received):
            for other, tensor in sent.items():
                self.sent[rank] += tensor.nbytes
                self.queues[rank, other].put(tensor.clone())
            for other, tensor in received.items():
                tensor.copy_(self.queues[other, rank].get(timeout=10))

        return exchange


def on_all(size, add):
    """Call `add(rank, exchange)` in a thread for each process; return what they sent."""
    wires = Wires(size)
    with ThreadPoolExecutor(size) as threads:
        work = [threads.submit(add, rank, wires.exchange_of(rank)) for rank in range(size)]
        for each in work:
            each.result()
    return wires.sent


def numbers(size, count):
    """Tensors whose sum depends on the order."""
    generator = torch.Generator().manual_seed(0)
    scales = torch.logspace(0, 6, size)
    return [torch.randn(count, generator=generator) * scale for scale in scales]


def bits(tensors):
    return [tensor.view(torch.int32).tolist() for tensor in tensors]


@pytest.mark.parametrize("size", SIZES)
def test_doubling_gives_all_processes_the_sum_of_the_tree(size):
    own = [(part, part.double()) for part in numbers(size, 101)]
    expected = tree_sum(numbers(size, 101), torch.add)
    on_all(size, lambda rank, exchange: add_by_doubling(own[rank], rank, size, exchange))
    assert bits(part for part, _ in own) == bits([expected] * size)
    assert len({tuple(part.tolist()) for _, part in own}) == 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [96, 101])
def test_chunks_give_all_processes_the_sum_of_the_tree(size, count):
    own = numbers(size, count)
    expected = tree_sum(numbers(size, count), torch.add)
    on_all(size, lambda rank, exchange: add_by_chunks(own[rank], rank, size, exchange))
    assert bits(own) == bits([expected] * size)


def test_another_order_would_have_other_bits():
    parts = numbers(4, 101)
    assert bits([sum(parts[::-1])]) != bits([tree_sum(numbers(4, 101), torch.add)])


@pytest.mark.parametrize("size", SIZES)
def test_chunks_send_no_more_than_a_ring(size):
    own = numbers(size, 96)
    sent = on_all(size, lambda rank, exchange: add_by_chunks(own[rank], rank, size, exchange))
    assert set(sent.values()) == {2 * (size - 1) * 96 * 4 // size}
