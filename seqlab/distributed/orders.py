"""What the first process asks of the others while no sums are exchanged, over their store.

It may take long over something that it does alone, such as a sample, and others over a token store.
So they wait for each other's words and watch each other's heartbeat; nobody waits in a sum, which
has a time-out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol, cast

from seqlab.distributed.lost import Lost
from seqlab.distributed.world import Order

BEAT = 1.0  # seconds
PATIENCE = 30.0  # seconds without a beat
SHORTEST, LONGEST = 0.0005, 0.05  # seconds between two looks for a word


class Store(Protocol):
    """What all processes can read and write: a store of torch.distributed."""

    def set(self, key: str, value: str, /) -> None: ...
    def get(self, key: str, /) -> bytes: ...
    def check(self, keys: list[str], /) -> bool: ...


class Orders:
    """Orders and answers, numbered; every process has read the same number of them.

    Args:
        store: of the processes of this attempt.
        rank: of this process.
        size: how many there are.
    """

    def __init__(self, store: Store, rank: int, size: int) -> None:
        self._store, self._rank, self._size = store, rank, size
        self._number = 0

    def give(self, order: Order) -> None:
        """Ask something of all other processes."""
        self._number += 1
        self._store.set(f"order/{self._number}", order)

    def next(self) -> Order:
        """Wait for the next order of the first process.

        Raises:
            Lost: it has no heartbeat any more.
        """
        self._number += 1
        return cast("Order", self._word(f"order/{self._number}", 0))

    def answer(self, text: str) -> None:
        """Answer the latest order."""
        self._store.set(f"answer/{self._number}/{self._rank}", text)

    def answers(self) -> list[str]:
        """Wait for the answers of all other processes to the latest order.

        Raises:
            Lost: one of them has no heartbeat any more.
        """
        return [self._word(f"answer/{self._number}/{rank}", rank) for rank in range(1, self._size)]

    def exchange(self, text: str) -> list[str]:
        """Tell all processes something, and return what all say, in the order of their ranks."""
        self._store.set(f"hello/{self._rank}", text)
        return [self._word(f"hello/{rank}", rank) for rank in range(self._size)]

    def _word(self, key: str, rank: int) -> str:
        """Wait for what another process writes, as long as it lives."""
        beat, since, pause = b"", time.monotonic(), SHORTEST
        try:
            while not self._store.check([key]):
                time.sleep(pause)
                pause = min(2 * pause, LONGEST)
                latest = self._latest_beat(rank)
                if latest != beat:
                    beat, since = latest, time.monotonic()
                if time.monotonic() - since > PATIENCE:
                    raise Lost(rank, f"no sign of life for {PATIENCE:.0f} seconds")
            return self._store.get(key).decode()
        except RuntimeError as error:  # the store is gone, with the process that had it
            raise Lost(rank, " ".join(str(error).split())) from error

    def silent(self) -> int:
        """Return a process without a heartbeat; where all have one, the next one."""
        others = [rank for rank in range(self._size) if rank != self._rank]
        with suppress(RuntimeError):  # the store is gone, with the process that had it
            before = [self._latest_beat(rank) for rank in others]
            time.sleep(3 * BEAT)
            for rank, beat in zip(others, before, strict=True):
                if self._latest_beat(rank) == beat:
                    return rank
        return others[0]

    def _latest_beat(self, rank: int) -> bytes:
        key = f"beat/{rank}"
        return self._store.get(key) if self._store.check([key]) else b""

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Show a heartbeat inside the block."""
        ended = threading.Event()

        def beat() -> None:
            number = 0
            while not ended.wait(BEAT):
                number += 1
                try:
                    self._store.set(f"beat/{self._rank}", str(number))
                except RuntimeError:  # the store is gone, and with it those who listen
                    return

        threading.Thread(target=beat, daemon=True).start()
        try:
            yield
        finally:
            ended.set()
