"""Distinguishes Ctrl-C from a `KeyboardInterrupt` that other code raises."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from seqlab.errors import Escaped, StoppedByHand


class CtrlC(KeyboardInterrupt):
    """Ctrl-C was pressed; only the handlers of this module raise it."""


class CtrlCHandler:
    """A handler of Ctrl-C that raises `CtrlC`.

    `called` is when it, or one that stood in its place for a while, last took a signal.
    """

    called = float("-inf")

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.called = time.monotonic()
        raise CtrlC


@contextmanager
def detecting_ctrl_c() -> Iterator[None]:
    """Handle Ctrl-C with `CtrlCHandler` in this block, if no other code handles it."""
    if _handler() is not signal.default_int_handler or not _in_main_thread():
        yield
        return
    own = CtrlCHandler()
    signal.signal(signal.SIGINT, own)
    try:
        yield
    finally:
        if _handler() is own:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def reraise_interrupt(error: BaseException) -> None:
    """Raise an error again if the code that raised it did not fail.

    That is Ctrl-C, even if another exception replaced it, and what a test runner ends a test with
    (a time limit, for example).
    """
    if _was_pressed(error):
        raise error if isinstance(error, KeyboardInterrupt) else CtrlC from error
    if not isinstance(error, Exception) and type(error).__module__.startswith("_pytest."):
        raise error


@contextmanager
def forbidding_exit() -> Iterator[None]:
    """Raise Escaped for `SystemExit` and the like, and for `KeyboardInterrupt` without Ctrl-C."""
    with detecting_ctrl_c():
        try:
            yield
        except Exception:
            raise
        except BaseException as error:
            reraise_interrupt(error)
            message = f"a plugin raised {type(error).__name__}: {error}".rstrip(": ")
            raise Escaped(message) from error


def _was_pressed(error: BaseException) -> bool:
    return any(isinstance(e, CtrlC | StoppedByHand) for e in _chain(error)) or (
        isinstance(error, KeyboardInterrupt) and not _only_raises_ctrl_c()
    )


def _only_raises_ctrl_c() -> bool:
    """Whether Ctrl-C would raise nothing but `CtrlC`."""
    handler = _handler()
    silent = handler in (signal.SIG_IGN, signal.SIG_DFL)
    return silent or isinstance(handler, CtrlCHandler) or not _in_main_thread()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, its cause or context, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _handler() -> object:
    return signal.getsignal(signal.SIGINT)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
