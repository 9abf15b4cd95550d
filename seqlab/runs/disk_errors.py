"""What the system says of the disk of a run, in one clear message."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seqlab.errors import RunFailed
from seqlab.registry.attribution import raised_in_plugin


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the system says of a disk into one clear message.

    What a plugin cannot open is its own trouble; that a disk is full is everybody's.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) and raised_in_plugin(error):
            raise
        place = error.filename or folder
        raise RunFailed(f"{place}: cannot be written ({error.strerror or error})") from error
