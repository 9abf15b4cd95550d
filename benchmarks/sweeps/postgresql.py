"""A PostgreSQL of one's own, from the programs of the system, for as long as a block lasts."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SECONDS = 60.0
NOBODY = "nobody"  # PostgreSQL does not run as root


def programs() -> Path | None:
    """The folder of its programs, the newest if there are several; None: it is not installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    return next((f for f in reversed(folders) if (f / "initdb").is_file()), None)


@contextmanager
def database() -> Iterator[str]:
    """Start a server that listens on a socket in a temporary folder; yield its URL."""
    found = programs()
    assert found is not None, "PostgreSQL is not installed (Debian: apt install postgresql)"
    user = NOBODY if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="seqlab-pg-", dir="/tmp"))  # a socket's path is short
    if user:
        shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
    try:
        _call(user, found / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-N")
        server = subprocess.Popen(
            [found / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses=",
             "-c", "fsync=off", "-c", "log_min_messages=fatal"],
            user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            _wait(user, found, folder)
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGINT)  # it ends without waiting for clients
            with suppress(subprocess.TimeoutExpired):
                server.wait(20)
            server.kill()
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(user: str | None, found: Path, folder: Path) -> None:
    end = time.monotonic() + SECONDS
    command = [str(found / "psql"), "-h", str(folder), "-U", "postgres", "-c", "select 1"]
    while subprocess.run(command, user=user, cwd=folder, capture_output=True).returncode:
        assert time.monotonic() < end, "PostgreSQL does not answer"
        time.sleep(0.1)


def _call(user: str | None, *command: object) -> None:
    words = [str(word) for word in command]
    subprocess.run(words, user=user, cwd="/", check=True, capture_output=True)
