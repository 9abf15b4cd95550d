"""Several processes that compute one run: sums in a fixed order over torch.distributed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from seqlab.contracts import State
from seqlab.distributed.adding import add_by_chunks, add_by_doubling
from seqlab.distributed.launched import Launched
from seqlab.distributed.lost import Lost
from seqlab.distributed.orders import Orders
from seqlab.distributed.state_bytes import as_bytes, from_bytes
from seqlab.distributed.world import Order, Partial
from seqlab.model.state import map_state

FIRST_LIMIT = 60.0  # seconds for the first sums, before which much is imported or compiled
PATIENCE = 30.0  # seconds in which every process should answer
LONGEST = 40.0  # seconds for a message that torch sends
CHUNKED = 1_000_000  # bytes from which on chunks pay, see docs/explanation/scale.md
PIECE = 2**26  # bytes, each of which the others wait for anew
SLOWEST = 10  # times the slowest step so far, if that is longer


class ProcessWorld:
    """This process among those of a process group, whose number is a power of two.

    Args:
        here: this process.
        orders: of the first process to the others.
        device: of the model.
    """

    def __init__(self, here: Launched, orders: Orders, device: torch.device) -> None:
        self.rank, self.size, self.local_rank = here.rank, here.size, here.local_rank
        self.orders = orders
        self._device = device
        self._limit, self._slowest = FIRST_LIMIT, 0.0
        self._last_sum: float | None = None

    def order(self, order: Order) -> None:
        """Ask something of the other processes, on the first one."""
        self.orders.give(order)
        self._last_sum = None  # the time until the next sum is not that of a step

    def sum(self, own: Partial) -> Partial:
        """Add in place; how a tensor is added changes no bit."""
        large = [g.nbytes >= CHUNKED for g in own.gradients]
        small = [g for g, is_large in zip(own.gradients, large, strict=True) if not is_large]
        add_by_doubling([own.message, *small], self.rank, self.size, self.exchange)
        for gradients, is_large in zip(own.gradients, large, strict=True):
            if is_large:
                add_by_chunks(gradients, self.rank, self.size, self.exchange)
        self._learn_pace()
        return own

    def exchange(self, sent: Mapping[int, Tensor], received: Mapping[int, Tensor]) -> None:
        """Send 1-D tensors to other processes and receive theirs, by rank.

        Raises:
            Lost: one of them does not answer.
        """
        sends = [dist.P2POp(dist.isend, tensor, rank) for rank, tensor in sent.items()]
        receives = [dist.P2POp(dist.irecv, tensor, rank) for rank, tensor in received.items()]
        operations = [*receives, *sends]
        for operation, work in zip(operations, self._begin(operations), strict=False):
            with self._waiting(operation.peer):
                self._finish(work)

    def _begin(self, operations: Sequence[dist.P2POp]) -> list[dist.Work]:
        if self._device.type == "cuda":  # NCCL begins all at once, or they wait for each other
            return dist.batch_isend_irecv(list(operations))
        works = []
        for operation in operations:
            with self._waiting(operation.peer):
                works.append(operation.op(operation.tensor, operation.peer))
        return works

    def _learn_pace(self) -> None:
        now = time.monotonic()
        if self._last_sum is not None:
            self._slowest = max(self._slowest, now - self._last_sum)
            self._limit = max(PATIENCE, SLOWEST * self._slowest)
        self._last_sum = now

    @contextmanager
    def _waiting(self, rank: int) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise Lost(rank, _reason(str(error), self._limit)) from error

    def limit_messages(self) -> None:
        """Have messages that torch sends by itself fail where a process does not answer."""
        limit = timedelta(seconds=LONGEST)
        dist.distributed_c10d._set_pg_timeout(limit, dist.group.WORLD)

    @contextmanager
    def answering(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            if not _is_of_message(error):
                raise
            silent = self.orders.silent()
            raise Lost(silent, _reason(str(error), LONGEST)) from error

    def give(self, tensors: Sequence[Tensor]) -> None:
        with self._waiting(0):
            for tensor in tensors:
                self._finish(dist.broadcast(tensor, 0, async_op=True))

    def gather(self, states: Sequence[State]) -> Sequence[State] | None:
        own = as_bytes(tuple(states))
        if self.rank:
            self._send(own, 0)
            return None
        data = [own, *(self._receive(rank) for rank in range(1, self.size))]
        gathered = (state for part in data for state in from_bytes(part))
        return [map_state(lambda tensor: tensor.to(self._device), state) for state in gathered]

    def answers(self) -> list[str]:
        return self.orders.answers()

    def give_bytes(self, data: bytes) -> bytes:
        size = torch.tensor([len(data)])
        self.give([size])
        content = torch.empty(int(size), dtype=torch.uint8)
        if data:
            content.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        self.give(torch.split(content, PIECE))
        return data or bytes(content.numpy())

    def _send(self, data: bytes, rank: int) -> None:
        content = torch.frombuffer(bytearray(data or b"\0"), dtype=torch.uint8)
        size = torch.tensor([len(data)])
        with self._waiting(rank):
            for tensor in (size, content):
                self._finish(dist.isend(tensor, rank))

    def _receive(self, rank: int) -> bytes:
        size = torch.zeros(1, dtype=torch.int64)
        with self._waiting(rank):
            self._finish(dist.irecv(size, rank))
            content = torch.empty(max(int(size), 1), dtype=torch.uint8)
            self._finish(dist.irecv(content, rank))
        return bytes(content.numpy())[: int(size)]

    def _finish(self, work: dist.Work | None) -> None:
        assert work is not None  # noqa: S101 # this process is in the group
        work.wait(timedelta(seconds=self._limit))


def _is_of_message(error: RuntimeError) -> bool:
    """Whether a message failed, rather than what this process computes."""
    known = ("gloo", "NCCL", "onnection closed")
    return isinstance(error, dist.DistError) or any(word in str(error) for word in known)


def _reason(words: str, limit: float) -> str:
    """Say why a message did not come, in short; gloo names its own source file."""
    if "imed out" in words:
        return f"nothing came for {limit:.0f} seconds"
    return "its connection is closed" if "onnection" in words else " ".join(words.split())
