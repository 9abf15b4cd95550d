"""What a process is doing now: the last line of a terminal, which a thread redraws.

Where stderr is no terminal, a line is printed every ten seconds. What others print meanwhile on
stdout and stderr goes above the line: for that, both are replaced while a status is shown.
"""

from __future__ import annotations

import os
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TextIO, TypeAlias, cast

from seqlab import notebook
from seqlab.printable import one_line

Render: TypeAlias = Callable[[int | None], str]
"""Returns the status in so many columns of a terminal, or as a line of a log (None).

A thread calls it, so it should only read. An empty text is not shown."""

REDRAWN, LINES = 0.5, 10.0  # seconds between two pictures on a terminal, two lines elsewhere
UNKNOWN_WIDTH = 80  # columns of a terminal that does not say how many it has


def show_status(render: Render) -> Callable[[], None]:
    """Show a status, above any that is shown already; return the function that ends it.

    In a notebook it is a display of its own, whose last text stays.
    """
    if notebook.in_notebook():
        return notebook.show_status(render)
    screen = _shown_on(sys.stderr) or _Screen(sys.stderr)
    screen.push(render)
    return lambda: screen.remove(render)


def erase_status() -> None:
    """Erase the status at once, without waiting for another thread; for the end of a process."""
    screen = _shown_on(sys.stderr)
    if screen is not None:
        screen.erase_at_once()


def is_animated(stream: TextIO | None) -> bool:
    """Whether a line of a stream can be erased: it is a terminal, or TTY_COMPATIBLE=1 says so."""
    if stream is None or os.environ.get("TERM") == "dumb":
        return False
    with suppress(OSError, ValueError):  # it is closed
        return os.environ.get("TTY_COMPATIBLE") == "1" or stream.isatty()
    return False


def columns(text: str) -> int:
    """How many columns of a terminal a text takes; a Chinese character takes two."""
    return sum(map(_columns_of, text))


def shortened(text: str, width: int) -> str:
    """The beginning of a text that fits into so many columns."""
    used = 0
    for index, character in enumerate(text):
        used += _columns_of(character)
        if used > width:
            return text[:index]
    return text


class _Screen:
    """The status lines of one stream, of which the last one is shown."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._animated = is_animated(stream)
        self._renders: list[Render] = []
        self._lock = threading.RLock()  # a signal handler may print, too
        self._ended = threading.Event()
        self._drawn = ""
        self._at_line_start = True
        self._process = os.getpid()
        self._replaced: list[tuple[str, TextIO, TextIO]] = []

    def push(self, render: Render) -> None:
        """Show this status from now on."""
        with self._lock:
            self._renders.append(render)
            if len(self._renders) == 1:
                self._begin()
            if self._animated:
                self._redraw()

    def remove(self, render: Render) -> None:
        """Show the status before this one again, if any."""
        with self._lock:
            if render not in self._renders:
                return
            self._renders.remove(render)
            self._erase()
            if not self._renders:
                self._end()

    def print(self, stream: TextIO, text: str) -> int:
        """Write a text of others to a stream above the status."""
        if not self._animated or self._ended.is_set() or os.getpid() != self._process:
            return stream.write(text)  # a child has no such thread, and perhaps a lock for ever
        with self._lock:
            self._erase()
            written = stream.write(text)
            if text:
                self._at_line_start = text.endswith("\n")
            stream.flush()
            return written

    def erase_at_once(self) -> None:
        self._ended.set()
        if self._animated:
            self._write(self._erasing())

    def _begin(self) -> None:
        names = ["stderr"]
        if self._animated and is_animated(sys.stdout):
            names.append("stdout")
        for name in names:
            stream = getattr(sys, name)
            guard = cast("TextIO", _Guard(stream, self))
            self._replaced.append((name, stream, guard))
            setattr(sys, name, guard)
        interval = REDRAWN if self._animated else LINES
        threading.Thread(target=self._watch, args=(interval,), daemon=True).start()

    def _end(self) -> None:
        self._ended.set()
        for name, stream, guard in self._replaced:
            if getattr(sys, name) is guard:
                setattr(sys, name, stream)

    def _watch(self, interval: float) -> None:
        while not self._ended.wait(interval):
            with self._lock:
                if self._renders and not self._ended.is_set():
                    self._redraw()

    def _redraw(self) -> None:
        if not self._animated:
            if text := one_line(self._renders[-1](None)):
                self._write(f"seqlab: {text}\n")
        elif self._at_line_start:
            width = _width(self._stream) - 1  # a full line would wrap on some terminals
            text = shortened(one_line(self._renders[-1](width)), width)
            self._write(f"{self._erasing()}{text}")
            self._drawn = text

    def _erase(self) -> None:
        if self._drawn:
            self._write(self._erasing())
            self._drawn = ""

    def _erasing(self) -> str:
        """What erases the status; a terminal that became narrower has wrapped it."""
        if not self._drawn:
            return ""
        above = (columns(self._drawn) - 1) // _width(self._stream)
        return f"\r\x1b[{above}A\x1b[J" if above else "\r\x1b[J"

    def _write(self, text: str) -> None:
        with suppress(AttributeError, OSError, ValueError):  # None, closed, or gone
            self._stream.write(text)
            self._stream.flush()


class _Guard:
    """A stream whose text goes above the status."""

    def __init__(self, stream: TextIO, screen: _Screen) -> None:
        self._stream = stream
        self.screen = screen

    def write(self, text: str) -> int:
        return self.screen.print(self._stream, text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _shown_on(stream: TextIO | None) -> _Screen | None:
    return stream.screen if isinstance(stream, _Guard) else None


def _width(stream: TextIO) -> int:
    with suppress(AttributeError, OSError, ValueError):
        if width := os.get_terminal_size(stream.fileno()).columns:
            return width
    return UNKNOWN_WIDTH


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
