"""How far a long reading has come, for whoever shows it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeAlias

from seqlab.contracts import Document, Ids

log = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Is told what is done, how many characters (token ids) it has come through, and of how many."""

SILENT, BETWEEN = 2.0, 10.0  # seconds


def in_the_log() -> Progress:
    """Write a line now and then once something takes longer than two seconds."""
    due: dict[str, float] = {}

    def told(what: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if total is not None and done >= total:
            due.pop(what, None)
        elif now >= due.setdefault(what, now + SILENT):
            due[what] = now + BETWEEN
            log.info("%s: %s%s", what, f"{done:,}", f" of {total:,}" if total else "")

    return told


def counted(
    documents: Iterable[Document], what: str, progress: Progress, total: int | None = None
) -> Iterator[Document]:
    """Yield the documents; tell of every piece that was taken, and when there is no more."""
    done = 0
    for document in documents:
        if isinstance(document, Ids | str):
            done += len(document.ids if isinstance(document, Ids) else document)
            progress(what, done, total)
            yield document
            continue
        pieces = _Counted(document, what, progress, done, total)
        yield pieces
        done = pieces.done
    progress(what, done, done)


class _Counted:
    """The pieces of one document, told of as they are taken."""

    def __init__(
        self, pieces: Iterable[str], what: str, progress: Progress, done: int, total: int | None
    ) -> None:
        self._pieces = iter(pieces)
        self._tell = partial(progress, what)
        self._total = total
        self.done = done

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        piece = next(self._pieces)
        self.done += len(piece)
        self._tell(self.done, self._total)
        return piece
