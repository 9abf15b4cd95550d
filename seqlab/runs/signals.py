"""Ctrl-C, SIGTERM and a closed terminal as requests: a run ends after the step that it is in."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from seqlab.interrupts import CtrlCHandler

ASKED = (signal.SIGINT, signal.SIGTERM)
HANGUP = getattr(signal, "SIGHUP", None)  # not on Windows


@dataclass
class Request:
    """`signal` is the number of the signal that came, None as long as none did."""

    signal: int | None = None

    @property
    def exit_code(self) -> int:
        """128 and the number of the signal, as shells have it."""
        return 128 + (self.signal or 0)


@contextmanager
def stop_requests() -> Iterator[Request]:
    """Take the first signal as a request; the second one ends the process as it always would.

    Outside the main thread, where Python gives nobody signals, nothing ever comes.
    """
    request = Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in ASKED}
    if HANGUP is not None and signal.getsignal(HANGUP) != signal.SIG_IGN:  # as nohup has it
        before[HANGUP] = signal.getsignal(HANGUP)

    ask = Ask(request, before)
    for number in before:
        signal.signal(number, ask)
    try:
        yield request
    finally:
        _restore(before)


class Ask(CtrlCHandler):
    """The handler that takes a signal as a request, and gives its place back to those before it."""

    def __init__(self, request: Request, before: dict[signal.Signals, Any]) -> None:
        self._request = request
        self._before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._request.signal = number
        _restore(self._before)


def _restore(before: dict[signal.Signals, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
