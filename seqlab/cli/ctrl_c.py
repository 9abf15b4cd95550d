"""Ctrl-C ends the command within a second, whatever it is doing.

Python calls a handler between two of its own instructions. While a library trains a vocabulary or
compiles a model there are none for minutes, so a thread watches for the signal too.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType

from seqlab.cli.streams import is_terminal
from seqlab.interrupts import Press
from seqlab.runs.signals import RequestHandler

INTERRUPTED = 130
PATIENCE = 0.7
"""Seconds that Python has to call the handler."""
SHOW_CURSOR = "\x1b[?25h"  # a progress bar hides it


def end_at_ctrl_c() -> None:
    """Have Ctrl-C end this process; nothing where it is ignored, as behind a shell's `&`."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    handler = _Heard()
    signal.signal(signal.SIGINT, handler)
    try:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    except (AttributeError, OSError, ValueError):  # a system without: the handler alone has to do
        return
    if hasattr(os, "register_at_fork"):  # signals of a child are its own
        os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    threading.Thread(target=_watch, args=(reading, handler), daemon=True).start()


class _Heard(Press):
    """Notes when it was called."""

    def __init__(self) -> None:
        self.at = float("-inf")

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.at = time.monotonic()
        super().__call__(number, frame)


def _watch(descriptor: int, handler: _Heard) -> None:
    """End the process if the handler of a signal isn't called in time."""
    asked: object = None
    while number := os.read(descriptor, 1):
        if number[0] != signal.SIGINT:
            continue
        came, now = time.monotonic(), signal.getsignal(signal.SIGINT)
        if isinstance(now, RequestHandler) and now is not asked:
            asked = now  # the first Ctrl-C of a training waits for the end of a step
            continue
        time.sleep(PATIENCE)
        if isinstance(now, Press) and handler.at < came - PATIENCE:
            _end()


def _end() -> None:
    """End the process. What is half made is swept by the next one; the system frees the locks."""
    cursor = SHOW_CURSOR if is_terminal(sys.stderr) else ""
    try:
        os.write(2, f"{cursor}seqlab: interrupted\n".encode())
    finally:
        os._exit(INTERRUPTED)
