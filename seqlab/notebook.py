"""A status in a notebook: one display that a thread updates, and whose last text stays."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from seqlab.printable import one_line

UPDATED = 0.5  # seconds between two texts
WIDTH = 80  # columns of a text
Render: TypeAlias = Callable[[int | None], str]


class _Handle(Protocol):
    def update(self, obj: Any, **kwargs: Any) -> None: ...


class Line:
    """A text in its own words: it is shown as plain text, in a notebook and in its file."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook; a terminal's IPython is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


def show_status(render: Render) -> Callable[[], None]:
    """Show a status below the cell; return the function that ends it, and leaves its last text."""
    handle = _display(Line(_text(render)))
    ended = threading.Event()
    if handle is not None:
        threading.Thread(target=_update, args=(handle, render, ended), daemon=True).start()

    def end() -> None:
        if handle is not None and not ended.is_set():
            ended.set()
            handle.update(Line(_text(render)))

    return end


def updated() -> Callable[..., None]:
    """Return what shows a message, as a logger takes one, in the place of the one before."""
    handles: list[_Handle] = []

    def say(message: str, *arguments: object) -> None:
        line = Line(one_line(message % arguments))
        if handles:
            handles[0].update(line)
        elif handle := _display(line):
            handles.append(handle)

    return say


def _display(text: Line) -> _Handle | None:
    from IPython import display

    show: Any = display.display
    handle: _Handle | None = show(text, display_id=True)
    return handle


def _update(handle: _Handle, render: Render, ended: threading.Event) -> None:
    shown = ""
    while not ended.wait(UPDATED):
        text = _text(render)
        if text != shown:
            handle.update(Line(text))
            shown = text


def _text(render: Render) -> str:
    return one_line(render(WIDTH))
