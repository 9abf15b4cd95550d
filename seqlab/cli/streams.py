"""The three streams of the command: what is printed, how, and what happens if nobody listens."""

from __future__ import annotations

import io
import os
import re
import sys
import traceback
from contextlib import suppress
from typing import TextIO

from seqlab.printable import visible

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def out(text: str = "", end: str = "\n") -> None:
    """Print for people on stdout; control characters are shown."""
    data(visible(text), end)


def generated(text: str, end: str = "\n") -> None:
    """Print what a model said on stdout: on a terminal for people, elsewhere as it is."""
    data(visible(text) if is_terminal(sys.stdout) else text, end)


def data(text: str, end: str = "\n") -> None:
    """Print on stdout what has no control characters, or is wanted with them.

    Raises:
        OSError: it cannot be written: BrokenPipeError, a full disk.
    """
    if sys.stdout is not None:
        sys.stdout.write(text + end)
        sys.stdout.flush()


def err(text: str = "", end: str = "\n") -> None:
    """Print on stderr; that nobody reads it is no reason to end anything."""
    with suppress(AttributeError, OSError, ValueError):  # None, a closed one, a terminal that went
        sys.stderr.write(visible(text) + end)
        sys.stderr.flush()


def err_of_others(text: str) -> None:
    """Print lines on stderr that are not the command's; none of them can look as if it were."""
    err(re.sub(r"^(?=\W*seqlab\b)", "  ", text, flags=re.MULTILINE), end="")


def err_traceback(error: BaseException) -> None:
    err_of_others("".join(traceback.format_exception(error)))


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at it now."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False


def open_closed() -> None:
    """Open what the process was started without on /dev/null.

    Otherwise the next file gets the number of a stream, and messages are written into it.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        if not _is_open(number):
            nowhere = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            os.set_inheritable(nowhere, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def show_what_can_be_shown() -> None:
    """Let a character that a terminal does not know become a "?"."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def leave(stream: TextIO | None) -> None:
    """Write what is left; if nobody reads it, it goes nowhere, without a word."""
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        send_nowhere(stream)


def send_nowhere(stream: TextIO | None) -> None:
    """Whoever read a stream (`| head`) has seen enough."""
    with suppress(AttributeError, OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr] # None is suppressed
        os.close(nowhere)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
