"""`seqlab serve` in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import which
from urllib.parse import urlsplit


def chromium() -> str:
    """The browser of the system."""
    found = which("chromium")
    if found is None:
        sys.exit("there is no chromium on this machine (apt install chromium)")
    return found


class Server:
    """Serves runs on any free port until the end of a block."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __enter__(self) -> Server:
        options = ["--root", self._root.name, "--port", "0"]
        command = [sys.executable, "-m", "seqlab", "serve", *options]
        here = self._root.absolute().parent
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=here)
        assert self._process.stdout
        self.url = self._process.stdout.readline().strip()
        parts = urlsplit(self.url)
        self.token = parts.fragment.removeprefix("token=")
        self.port, self.pid = int(parts.port or 0), self._process.pid
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)
