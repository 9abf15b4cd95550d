"""The log of a run: kept in memory until the run has a folder, then written to its `log.txt`."""

from __future__ import annotations

import logging
import logging.handlers
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seqlab.errors import RunFailed

_CAPACITY = 10_000  # records; a run says far less before it has a folder


@contextmanager
def run_log() -> Iterator[logging.handlers.MemoryHandler]:
    """Collect what seqlab logs; `write_to` gives it a file."""
    logger = logging.getLogger("seqlab")
    level = logger.level
    handler = logging.handlers.MemoryHandler(_CAPACITY, flushLevel=logging.CRITICAL)
    logger.addHandler(handler)
    logger.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield handler
    finally:
        target = handler.target
        logger.removeHandler(handler)
        handler.close()
        if target is not None:
            target.close()
        logger.setLevel(level)


def write_to(handler: logging.handlers.MemoryHandler, path: Path) -> None:
    """Write what was collected so far, and from now on everything at once.

    Raises:
        RunFailed: the file cannot be written.
    """
    try:
        target = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise RunFailed(f"{path}: cannot be written ({error.strerror})") from None
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    target.setFormatter(formatter)
    handler.setTarget(target)
    handler.flush()
    handler.flushLevel = logging.NOTSET
