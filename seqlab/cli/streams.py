"""stdin, stdout and stderr: printing on them, and what to do if they are closed."""

from __future__ import annotations

import io
import os
import re
import sys
import traceback
from contextlib import suppress
from typing import TextIO

from seqlab.cli.colors import Paint
from seqlab.printable import from_here, visible

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def out(text: str = "", end: str = "\n", *, paint: Paint | None = None) -> None:
    """Print text for people on stdout, with paths from here, and control characters visible."""
    shown = visible(from_here(text))
    data(paint(shown) if paint and has_colors(sys.stdout) else shown, end)


def verbatim(text: str, end: str = "\n") -> None:
    """Print text on stdout as it is, but for control characters, which are made visible."""
    data(visible(text), end)


def generated(text: str, end: str = "\n") -> None:
    """Print generated text on stdout: visible on a terminal, unchanged elsewhere."""
    data(visible(text) if is_terminal(sys.stdout) else text, end)


def data(text: str, end: str = "\n") -> None:
    """Print text on stdout as it is.

    Raises:
        OSError: the pipe is broken or the disk is full.
    """
    if sys.stdout is not None:
        sys.stdout.write(text + end)
        sys.stdout.flush()


def err(text: str = "", end: str = "\n", *, paint: Paint | None = None) -> None:
    """Print on stderr, if that is possible; on a terminal with colours as `paint` has them."""
    shown = visible(from_here(text))
    if paint and has_colors(sys.stderr):
        shown = paint(shown)
    with suppress(AttributeError, OSError, ValueError):  # None, closed, or a terminal that is gone
        sys.stderr.write(shown + end)
        sys.stderr.flush()


def err_foreign(text: str, *, paint: Paint | None = None) -> None:
    """Print text of others on stderr; indent lines that look like a message of the command."""
    err(re.sub(r"^(?=\W*seqlab\b)", "  ", text, flags=re.MULTILINE), end="", paint=paint)


def err_traceback(error: BaseException) -> None:
    err_foreign("".join(traceback.format_exception(error)))


def is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False


def has_colors(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal that shows colours, and nobody asked for none.

    What is no terminal has them if FORCE_COLOR asks for them.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal(stream)


def open_closed_streams() -> None:
    """Open the streams that are closed on /dev/null.

    Otherwise the next file that is opened gets the number of a stream, and messages go into it.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        if not _is_open(number):
            null = os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
            os.set_inheritable(null, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def replace_unencodable() -> None:
    """Print "?" for a character that the encoding of a terminal does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def flush(stream: TextIO | None) -> None:
    """Write what is buffered, or drop it if that is not possible."""
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        discard_output(stream)


def discard_output(stream: TextIO | None) -> None:
    """Redirect a stream to /dev/null, after its reader (`| head`) has ended."""
    with suppress(AttributeError, OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())  # type: ignore[union-attr] # None is suppressed
        os.close(null)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
