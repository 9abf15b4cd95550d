"""Ctrl-C, told apart from a `KeyboardInterrupt` that somebody's code raises by itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from seqlab.errors import Escaped, StoppedByHand


class CtrlC(KeyboardInterrupt):
    """Ctrl-C was pressed: only the handlers of this module raise it."""


class Press:
    """A handler of Ctrl-C whose exception nobody else raises."""

    def __call__(self, number: int, frame: FrameType | None) -> None:
        raise CtrlC


@contextmanager
def telling_apart() -> Iterator[None]:
    """Know in this block whose a `KeyboardInterrupt` is, if nobody else handles Ctrl-C."""
    if _handler() is not signal.default_int_handler or not _in_main_thread():
        yield
        return
    own = Press()
    signal.signal(signal.SIGINT, own)
    try:
        yield
    finally:
        if _handler() is own:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def let_pass(error: BaseException) -> None:
    """Raise an error again that is no failure of the code that it came out of.

    That is Ctrl-C, whatever it was turned into on the way, and what a test runner ends a test
    with (a time limit, say).
    """
    if _was_pressed(error):
        raise error if isinstance(error, KeyboardInterrupt) else CtrlC from error
    if not isinstance(error, Exception) and type(error).__module__.startswith("_pytest."):
        raise error


@contextmanager
def contained() -> Iterator[None]:
    """Let nothing out of somebody's code that would end the process.

    Raises:
        Escaped: for `SystemExit` and the like, and a `KeyboardInterrupt` without Ctrl-C.
    """
    with telling_apart():
        try:
            yield
        except Exception:
            raise
        except BaseException as error:
            let_pass(error)
            said = f"a plugin raised {type(error).__name__}: {error}".rstrip(": ")
            raise Escaped(said) from error


def _was_pressed(error: BaseException) -> bool:
    return any(isinstance(one, CtrlC | StoppedByHand) for one in _chain(error)) or (
        isinstance(error, KeyboardInterrupt) and not _are_told_apart()
    )


def _are_told_apart() -> bool:
    """Whether Ctrl-C, if it comes, raises nothing but `CtrlC`."""
    handler = _handler()
    silent = handler in (signal.SIG_IGN, signal.SIG_DFL)
    return silent or isinstance(handler, Press) or not _in_main_thread()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _handler() -> object:
    return signal.getsignal(signal.SIGINT)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
