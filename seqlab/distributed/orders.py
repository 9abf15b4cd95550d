"""What the first process asks of the others while no sums are exchanged, over their store.

It may take long over something that it does alone, such as a sample, so the others wait for its
orders and watch its heartbeat; nobody waits in a sum that has a time-out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from torch.distributed import Store

from seqlab.distributed.lost import Lost
from seqlab.distributed.world import Order

BEAT = 1.0  # seconds
PATIENCE = 30.0  # seconds without a beat


class Orders:
    """Orders, numbered; every process has read the same number of them.

    Args:
        store: of the processes of this attempt.
        rank: of this process.
    """

    def __init__(self, store: Store, rank: int) -> None:
        self._store, self._rank = store, rank
        self._number = 0

    def give(self, order: Order) -> None:
        """Ask something of all other processes."""
        self._number += 1
        self._store.set(f"order/{self._number}", order)

    def next(self) -> Order:
        """Wait for the next order.

        Raises:
            Lost: the first process has no heartbeat any more.
        """
        self._number += 1
        key, beat, since = f"order/{self._number}", b"", time.monotonic()
        while not self._is_there(key):
            latest = self._store.get("beat") if self._store.check(["beat"]) else b""
            if latest != beat:
                beat, since = latest, time.monotonic()
            if time.monotonic() - since > PATIENCE:
                raise Lost(0, f"no sign of life for {PATIENCE:.0f} seconds")
        return self._store.get(key).decode()  # type: ignore[return-value] # one that was given

    def _is_there(self, key: str) -> bool:
        try:
            self._store.wait([key], timedelta(seconds=BEAT))
        except RuntimeError as error:  # a time-out, or the store is gone
            if "timeout" not in str(error).lower() and "timed out" not in str(error).lower():
                raise Lost(0, str(error)) from error
            return False
        return True

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Show a heartbeat inside the block, on the first process."""
        ended = threading.Event()

        def beat() -> None:
            number = 0
            while not ended.wait(BEAT):
                number += 1
                try:
                    self._store.set("beat", str(number))
                except RuntimeError:  # the store is gone, and with it those who listen
                    return

        thread = threading.Thread(target=beat, daemon=True)
        if self._rank == 0:
            thread.start()
        try:
            yield
        finally:
            ended.set()
