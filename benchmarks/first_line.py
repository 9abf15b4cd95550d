"""How soon a command says something on a terminal, and how long it is silent afterwards.

python -m benchmarks.first_line [TIMES]
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import describe

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENT = str(ROOT / "experiments" / "jay_rnn.yaml")
COMMANDS = {
    "run": ("run", EXPERIMENT, "--set", "train.epochs=12"),
    "resume": ("resume", "latest", "--set", "train.epochs={epochs}"),
    "generate": ("generate", "latest", "--prefix", "分开", "--length", "2000"),
    "eval": ("eval", "latest", "--split", "train"),
}


class Seen(NamedTuple):
    """Seconds until the first line, and the longest without a redraw until torch is there, after.

    The second ends with the first text that is not about torch.
    """

    first: float
    importing: float
    later: float


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        _watch(COMMANDS["run"], folder)  # fills caches
        for name, command in COMMANDS.items():
            words = (tuple(word.format(epochs=13 + i) for word in command) for i in range(times))
            rows.append((name, [_watch(command, folder) for command in words]))
    print(f"{describe()}\n")
    print(
        f"| {times} times, 80 columns | first line, s | longest gap importing, s | and later, s |"
    )
    print("|---|---|---|---|")
    for name, seen in rows:
        print(f"| `{name}` | {' | '.join(_spread(values) for values in zip(*seen, strict=True))} |")


def _spread(values: tuple[float, ...]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}, {max(values):.2f})"


def _watch(command: tuple[str, ...], folder: str) -> Seen:
    """Start a command on a terminal, and note when something comes."""
    end, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "seqlab", *command],
        stdin=other, stdout=other, stderr=other, cwd=folder, start_new_session=True,
        env=os.environ | {"TERM": "xterm"},
    ) as process:  # fmt: skip
        os.close(other)
        came = [(when - begun, text) for when, text in _output(end)]
    os.close(end)
    assert process.returncode == 0, b"".join(text for _, text in came).decode()
    gaps = [(later[0] - sooner[0], b"Importing" in sooner[1]) for sooner, later in pairwise(came)]
    importing = max((gap for gap, is_importing in gaps if is_importing), default=0.0)
    return Seen(came[0][0], importing, max(gap for gap, is_importing in gaps if not is_importing))


def _output(end: int) -> Iterator[tuple[float, bytes]]:
    """What comes, with its time, until nobody writes any more."""
    while True:
        select.select([end], [], [])
        try:
            data = os.read(end, 65536)
        except OSError:
            return
        if not data:
            return
        yield time.perf_counter(), data


if __name__ == "__main__":
    main()
