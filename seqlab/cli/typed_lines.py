"""Lines that are typed at a prompt, with a history and completion where readline is there."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from seqlab.cli.streams import err, is_terminal

MOST_LINES = 1000  # that a history keeps
MOST_BYTES = 1 << 20  # of a history that is read
Complete = Callable[[list[str]], Iterable[str]]
"""The words of a line so far -> what the last of them may become."""


@contextmanager
def typed_lines(prompt: str, complete: Complete, keeps_history: bool) -> Iterator[Iterator[str]]:
    """Give the lines until the end of the input; Ctrl-C drops the line that is typed."""
    readline = _readline()
    path = history_path() if readline and keeps_history else None
    if readline:
        _set_completion(readline, complete)
    old = _read_history(path)
    if readline:
        readline.clear_history()
        for line in old:
            readline.add_history(line)
    try:
        yield iter(lambda: _next_line(prompt), None)
    finally:
        if readline and path:
            _save_history(readline, path, len(old))


def history_path() -> Path:
    """The file of the lines that were typed, in the user's folder for such."""
    from platformdirs import user_state_path

    return user_state_path("seqlab", appauthor=False) / "generate_history"


def _readline() -> Any:
    """The module, where it exists and a terminal is typed at; else None."""
    if not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        return None
    with suppress(ImportError):
        import readline

        return readline
    return None


def _set_completion(readline: Any, complete: Complete) -> None:
    def completer(_: str, index: int) -> str | None:
        line: str = readline.get_line_buffer()[: readline.get_endidx()]
        found = [f"{word} " for word in complete(line.split(" "))]
        return found[index] if index < len(found) else None

    readline.set_completer(completer)
    readline.set_completer_delims(" ")
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")


def _next_line(prompt: str) -> str | None:
    """The next line; None at the end."""
    while True:
        try:
            if is_terminal(sys.stdout):
                return input(prompt)
            err(prompt, end="")
            return input()
        except KeyboardInterrupt:
            err()
        except UnicodeDecodeError:
            err("seqlab: what was typed is not text in the encoding of the terminal")
        except EOFError:
            err()
            return None


def _read_history(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES)
    except OSError:
        return []
    return data.decode("utf-8", "replace").splitlines()[-MOST_LINES:]


def _save_history(readline: Any, path: Path, before: int) -> None:
    """Add the lines of this session to those of others, for the user's eyes alone."""
    count = readline.get_current_history_length()
    new = [readline.get_history_item(i + 1) for i in range(before, count)]
    lines = [*_read_history(path), *(" ".join(line.splitlines()) for line in new if line)]
    with suppress(OSError):  # a home that cannot be written has no history
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # of mode 600
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.writelines(f"{line}\n" for line in lines[-MOST_LINES:])
        Path(name).replace(path)
