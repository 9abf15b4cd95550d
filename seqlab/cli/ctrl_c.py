"""Ctrl-C ends the command within a second, whatever it is doing.

Python calls a handler only between two of its own instructions, so not while a library trains a
vocabulary or compiles a model for minutes. A thread watches for the signal too.
"""

from __future__ import annotations

import os
import signal
import threading
import time

from seqlab.interrupts import CtrlCHandler
from seqlab.runs.signals import RequestHandler
from seqlab.status_line import erase_status

INTERRUPTED = 130
TIMEOUT = 0.7
"""Seconds in which Python should call the handler."""


def end_at_ctrl_c() -> None:
    """Make Ctrl-C end this process, unless it is ignored, as after a shell's `&`."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    handler = CtrlCHandler()
    signal.signal(signal.SIGINT, handler)
    try:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    except (AttributeError, OSError, ValueError):  # not on this system: the handler alone must do
        return
    if hasattr(os, "register_at_fork"):  # signals of a child are its own
        os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    threading.Thread(target=_watch, args=(reading, handler), daemon=True).start()


def _watch(descriptor: int, handler: CtrlCHandler) -> None:
    """End the process if the handler of Ctrl-C is not called in time."""
    request: object = None
    while number := os.read(descriptor, 1):
        if number[0] != signal.SIGINT:
            continue
        pressed, current = time.monotonic(), signal.getsignal(signal.SIGINT)
        if isinstance(current, RequestHandler) and current is not request:
            request = current  # the first Ctrl-C in training waits for the end of the step
            continue
        time.sleep(TIMEOUT)
        if isinstance(current, CtrlCHandler) and handler.called < pressed - TIMEOUT:
            _end()


def _end() -> None:
    """Exit at once. The next process removes unfinished files; the system frees the locks."""
    erase_status()
    try:
        os.write(2, b"seqlab: interrupted\n")
    finally:
        os._exit(INTERRUPTED)
