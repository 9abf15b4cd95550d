"""Ctrl-C, SIGTERM and SIGHUP as requests: a run ends after its current step."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from seqlab.interrupts import CtrlCHandler

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
HANGUP = getattr(signal, "SIGHUP", None)  # not on Windows


@dataclass
class Request:
    """`signal` is the number of the signal that was received, if any."""

    signal: int | None = None

    @property
    def exit_code(self) -> int:
        """128 plus the number of the signal, as in a shell."""
        return 128 + (self.signal or 0)


@contextmanager
def stop_requests() -> Iterator[Request]:
    """Take the first signal as a request; the second one ends the process as usual.

    Outside the main thread Python delivers no signals.
    """
    request = Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    if HANGUP is not None and signal.getsignal(HANGUP) != signal.SIG_IGN:  # nohup ignores it
        before[HANGUP] = signal.getsignal(HANGUP)

    handler = RequestHandler(request, before)
    for number in before:
        signal.signal(number, handler)
    try:
        yield request
    finally:
        _restore(before)


class RequestHandler(CtrlCHandler):
    """Notes the signal in a request, and restores the handlers before it."""

    def __init__(self, request: Request, before: dict[signal.Signals, Any]) -> None:
        self._request = request
        self._before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._request.signal = number
        replaced = self._before[signal.SIGINT]
        if isinstance(replaced, CtrlCHandler):  # whoever watches it need not end the process
            replaced.called = time.monotonic()
        _restore(self._before)


def _restore(before: dict[signal.Signals, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
