"""The log of a run: kept in memory until there is a folder, then written to `log.txt`."""

from __future__ import annotations

import logging
import logging.handlers
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from seqlab.errors import RunFailed
from seqlab.files import open_to_append
from seqlab.printable import from_here, one_line, visible

log = logging.getLogger(__name__)

_CAPACITY = 10_000  # records, many more than a run logs before it has a folder


class _LogFile(logging.FileHandler):
    """A log file; on a full disk it warns once, and the run continues."""

    _failed = False

    def _open(self) -> TextIOWrapper:
        file = open_to_append(Path(self.baseFilename))
        return TextIOWrapper(file, encoding=self.encoding, errors="replace")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 # logging names it
        if not self._failed:
            self._failed = True
            log.warning("%s: has gaps (%s)", self.baseFilename, sys.exc_info()[1])


class _Lines(logging.Formatter):
    """One line per message, then a traceback; control characters are escaped."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 # logging names it
        return one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 # likewise
        return visible(super().formatException(ei))


class _Warnings(logging.StreamHandler[Any]):
    """Writes warnings to stderr where nobody set up logging, as Python does without a log.

    One line each: an error's traceback is in the log, and who called gets the error.
    """

    def __init__(self, level: int) -> None:
        logging.Handler.__init__(self, level)  # the stream is not kept: a status may replace it

    @property
    def stream(self) -> Any:
        return sys.stderr

    def format(self, record: logging.LogRecord) -> str:
        return one_line(from_here(f"seqlab: {record.levelname.lower()}: {record.getMessage()}"))


@contextmanager
def run_log() -> Iterator[logging.handlers.MemoryHandler]:
    """Collect the messages of seqlab's loggers; `write_to` gives them a file."""
    logger = logging.getLogger("seqlab")
    level = logger.level
    warnings = None if logger.hasHandlers() else _Warnings(logging.WARNING)
    handler = logging.handlers.MemoryHandler(_CAPACITY, flushLevel=logging.CRITICAL)
    for one in filter(None, (handler, warnings)):
        logger.addHandler(one)
    logger.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield handler
    finally:
        target = handler.target
        for one in filter(None, (handler, warnings)):
            logger.removeHandler(one)
        handler.close()
        if target is not None:
            target.close()
        logger.setLevel(level)


def write_to(handler: logging.handlers.MemoryHandler, path: Path) -> None:
    """Write the collected messages to a file, and from now on each message at once."""
    try:
        target = _LogFile(path, encoding="utf-8")
    except OSError as error:
        raise RunFailed(f"{path}: cannot be written ({error.strerror})") from None
    target.setFormatter(_Lines("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
    handler.setTarget(target)
    handler.flush()
    handler.flushLevel = logging.NOTSET
