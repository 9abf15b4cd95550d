"""A terminal of tmux: what is typed into it, and what a person sees on it."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping

import pytest

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Tmux:
    """A terminal with a program in it, of so many columns and lines."""

    def __init__(
        self, program: str, *, width: int = 80, height: int = 40, environment: Mapping[str, str]
    ) -> None:
        self._socket = f"seqlab-{secrets.token_hex(6)}"  # a server of its own, with no settings
        self._call("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height,
                   *(part for item in environment.items() for part in ("-e", "=".join(item))),
                   program)  # fmt: skip

    def type(self, text: str) -> None:
        self._call("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """Press keys by their names: Enter, Tab, C-c."""
        self._call("send-keys", *keys)

    def screen(self) -> str:
        """The lines that are seen, without spaces at their ends."""
        lines = self._call("capture-pane", "-p").split("\n")
        return "\n".join(line.rstrip() for line in lines).rstrip("\n")

    def until(self, holds: Callable[[str], object] | str, seconds: float = 30) -> str:
        """Wait until something holds for the screen, such as that it has a text; return it."""
        deadline = time.monotonic() + seconds
        while True:
            seen = self.screen()
            if (holds in seen) if isinstance(holds, str) else holds(seen):
                return seen
            assert time.monotonic() < deadline, f"not seen: {holds}\n{seen}"
            time.sleep(0.05)

    def close(self) -> None:
        self._call("kill-server")

    def _call(self, *words: object) -> str:
        command = ["tmux", "-u", "-L", self._socket, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
