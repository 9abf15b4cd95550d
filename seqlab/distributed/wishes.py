"""What the processes of a run tell each other in every step, besides gradients."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass

SIGNALS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))


@dataclass(frozen=True)
class Wishes:
    """Of one process, or of all.

    Args:
        stop: the run ends before this step is taken.
        pause: the first process has something to do after this step, and the others wait for it.
        signal: that a process has received, if any.
    """

    stop: bool = False
    pause: bool = False
    signal: int | None = None

    @property
    def numbers(self) -> list[float]:
        """As numbers; those of several processes are added."""
        signals = (float(self.signal == number) for number in SIGNALS)
        return [float(self.stop), float(self.pause), *signals]

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Wishes:
        """Read added numbers."""
        stop, pause, *signals = numbers
        received = [number for number, count in zip(SIGNALS, signals, strict=True) if count]
        return cls(stop > 0, pause > 0, received[0] if received else None)


NONE = Wishes()
