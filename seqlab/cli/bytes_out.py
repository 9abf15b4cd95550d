"""The bytes of a generated text, written to a file or to stdout as they are."""

from __future__ import annotations

import sys
from pathlib import Path

from seqlab.atomic import write_atomic
from seqlab.cli.streams import err
from seqlab.errors import RunFailed, UsageError
from seqlab.printable import one_line, shown_path

STDOUT = Path("-")


def check_out(path: Path, texts: int, *, excludes: dict[str, bool]) -> None:
    """Raise UsageError unless there is one text to write; `excludes` are options that were given.

    Without a text there is a session, which has no one text either.
    """
    for option in (name for name, given in excludes.items() if given):
        raise UsageError(f"--out and {option} exclude each other: choose one")
    if texts != 1:
        found = f"there are {texts:,}" if texts else "there is no prefix"
        raise UsageError(
            f"--out {path} is for one text, and {found}: give one --prefix, or --unprompted"
        )
    if path.is_dir():
        raise UsageError(f"--out {path}: is a folder; give the name of a file")


def write_bytes(data: bytes, path: Path) -> None:
    """Write a file, whole or not at all; - is stdout.

    Raises:
        RunFailed: the file cannot be written.
    """
    if path == STDOUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        write_atomic(path, data)
    except OSError as error:
        raise RunFailed(f"{path}: cannot be written ({error.strerror or error})") from None
    err(f"seqlab: wrote {one_line(shown_path(path))}, {len(data):,} bytes")
