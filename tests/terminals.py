"""A command on a terminal of a given size, and what is seen on its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress
from itertools import pairwise

TOKEN = re.compile(r"\x1b\[([\d;]*)([A-Za-z])|(.)", re.DOTALL)


class Terminal:
    """`python -m seqlab ARGUMENTS` on a terminal; what comes is kept with its time, in seconds."""

    def __init__(self, *arguments: object, width: int = 80, **environment: str) -> None:
        self.end, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        env = os.environ | {"TERM": "xterm", "OMP_NUM_THREADS": "1"} | environment
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "seqlab", *map(str, arguments)],
            stdin=other, stdout=other, stderr=other, env=env, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(other, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(other)
        self.came: list[tuple[float, str]] = []

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.came)

    def until(self, wanted: str | None, seconds: float = 60) -> str:
        """Read until a text has come; None: until the command has ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and (wanted is None or wanted not in self.text):
            if not self.read():
                break
        assert wanted is None or wanted in self.text, self.text
        return self.text

    def type(self, data: bytes) -> None:
        os.write(self.end, data)

    def gaps(self) -> list[float]:
        """Seconds between what came, from the start of the command to its end."""
        times = [self.started, *(when for when, _ in self.came)]
        return [later - sooner for sooner, later in pairwise(times)]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.end)

    def read(self) -> bool:
        """Wait a moment for more; False: the command has ended."""
        with suppress(OSError):  # nobody has the other end any more
            if not select.select([self.end], [], [], 0.1)[0]:
                return True
            data = os.read(self.end, 65536).decode("utf-8", "replace")
            self.came.append((time.monotonic(), data))
            return bool(data)
        self.process.wait(30)
        return False


def screen(text: str, width: int) -> list[str]:
    """The lines that a terminal shows in the end; a line that is too long goes on in the next."""
    lines, row, column = [""], 0, 0
    for count, command, character in TOKEN.findall(text):
        if command == "A":
            row = max(0, row - int(count or 1))
        elif command == "J":
            lines[row:] = [lines[row][:column]]
        elif character == "\r":
            column = 0
        elif character == "\n" or (character and column == width):
            row, column = row + 1, column if character == "\n" else 0
            lines += [""] * (row + 1 - len(lines))
        if character and character not in "\r\n":
            line = lines[row].ljust(column)
            lines[row] = line[:column] + character + line[column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]
