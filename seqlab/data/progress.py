"""Progress of reading documents, for display."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from seqlab import notebook
from seqlab.contracts import Document, Ids

log = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Is called with a title, how many characters (or token ids) were read, and of how many.

What nobody counts is called once, when it begins, with 0 and None.
"""

SILENT, BETWEEN = 2.0, 10.0  # seconds before the first line, and between lines


def log_progress() -> Progress:
    """Log a line now and then once something takes longer than two seconds.

    A notebook shows it below the cell instead.
    """
    due: dict[str, float] = {}
    say = notebook.updated() if notebook.in_notebook() else log.info

    def progress(title: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if total is not None and done >= total:
            due.pop(title, None)
        elif now >= due.setdefault(title, now + SILENT):
            due[title] = now + (BETWEEN if say == log.info else notebook.UPDATED)
            say("%s: %s%s", title, f"{done:,}", f" of {total:,}" if total else "")

    return progress


def with_progress(
    documents: Iterable[Document], title: str, progress: Progress, total: int | None = None
) -> Iterator[Document]:
    """Yield the documents, and report each piece that is read, and the end."""
    done = 0

    def report(length: int) -> None:
        nonlocal done
        done += length
        progress(title, done, total)

    def report_each(pieces: Iterable[str]) -> Iterator[str]:
        for piece in pieces:
            report(len(piece))
            yield piece

    for document in documents:
        if isinstance(document, Ids | str):
            report(len(document.ids if isinstance(document, Ids) else document))
            yield document
        else:
            yield report_each(document)
    progress(title, done, done)
