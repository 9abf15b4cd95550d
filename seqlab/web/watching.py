"""One watcher of files for everybody who looks: it tells each what has changed."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from seqlab.web.encoding import event
from seqlab.web.event_stream import Messages
from seqlab.web.followed import Followed, News
from seqlab.web.run_index import RunIndex

TICK = 0.25  # seconds between two looks at the files of runs that somebody looks at
GOING_ON = 2  # ticks between two looks at all runs that go on
TABLE = 4  # ticks between two looks for new runs, and at a part of those that have ended

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Listener:
    """Somebody who looks at the table and at some runs."""

    runs: frozenset[str]
    messages: Messages = field(default_factory=Messages)


class Watcher:
    """Reads files only while somebody listens."""

    def __init__(self, index: RunIndex) -> None:
        self.index = index
        self._server = secrets.token_hex(4)  # versions of another server say nothing
        self._listeners: set[Listener] = set()
        self._followed: dict[str, Followed] = {}
        self._joining = 0
        self._told = 0
        self._whole = -1, b""
        self._task: asyncio.Task[None] | None = None

    async def join(self, runs: Collection[str], since: str = "") -> Listener:
        """Tell somebody what is there now, and from now on what changes.

        Args:
            runs: ids of runs whose rows, samples and log are told; unknown ones are left out.
            since: `version` of the last `table` that was told; only what changed since is.
        """
        self._joining += 1  # until then nothing that is followed is forgotten
        try:
            if not self._listeners:
                await asyncio.to_thread(self.index.refresh)
                self._told = self.index.version
            for run in runs:
                await self._follow(run)
        finally:
            self._joining -= 1
        listener = Listener(frozenset(run for run in runs if run in self._followed))
        parts = [self._table(self._version(since))]
        parts += [self._followed[run].whole() for run in sorted(listener.runs)]
        listener.messages.put(b"".join(parts))
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch())
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def close(self) -> None:
        """End everything that is told."""
        for listener in self._listeners:
            listener.messages.end()

    async def _follow(self, run: str) -> None:
        folder = self.index.folder(run)
        if run in self._followed or folder is None:
            return
        followed = Followed(run, folder)
        followed.take(await asyncio.to_thread(followed.read))
        self._followed.setdefault(run, followed)

    def _version(self, since: str) -> int:
        server, _, version = since.partition(".")
        known = server == self._server and version.isascii() and version.isdigit()
        return int(version) if known and len(version) < 20 else 0

    def _table(self, since: int) -> bytes:
        """The rows that have changed after a version; all of them are kept for who comes next."""
        index = self.index
        if since == 0 and self._whole[0] == index.version:
            return self._whole[1]
        version = index.version
        gone = [run for run, when in list(index.gone.items()) if when > since]
        told = {"version": f"{self._server}.{version}", "rows": index.rows(since), "gone": gone}
        data = event("table", told | {"whole": since == 0})
        if since == 0:
            self._whole = version, data
        return data

    async def _watch(self) -> None:
        """Look at the files until nobody listens."""
        ticks = 0
        while self._listeners or self._joining:
            await asyncio.sleep(TICK)
            ticks += 1
            self._forget()
            followed = list(self._followed.values())
            try:
                news = await asyncio.to_thread(self._look, followed, ticks)
            except Exception:  # a file is as nobody thought of: the others are told
                log.exception("the runs cannot be looked at")
                continue
            self._tell(news)
        self._followed.clear()

    def _forget(self) -> None:
        """Follow no run any more that nobody looks at."""
        if self._joining:
            return
        wanted = {run for listener in self._listeners for run in listener.runs}
        for run in self._followed.keys() - wanted:
            del self._followed[run]

    def _look(self, followed: Iterable[Followed], ticks: int) -> dict[str, News]:
        news = {one.id: one.read() for one in followed}
        news = {run: of_run for run, of_run in news.items() if of_run}
        if ticks % TABLE == 0:
            self.index.refresh(whole=False)
        elif ticks % GOING_ON == 0:
            self.index.look({*news, *self.index.going_on})
        else:
            self.index.look(news)  # so that a row is told once, with its curve
        return news

    def _tell(self, news: dict[str, News]) -> None:
        """Tell everybody what is new; those who look at the same runs get the same bytes."""
        told: dict[str, bytes] = {}
        for run, of_run in news.items():
            if run in self._followed:
                told[run] = self._followed[run].take(of_run)
        table = self._table(self._told) if self.index.version > self._told else b""
        self._told = self.index.version
        same: dict[frozenset[str], bytes] = {}
        for listener in self._listeners:
            if listener.runs not in same:
                parts = (told.get(run, b"") for run in sorted(listener.runs))
                same[listener.runs] = table + b"".join(parts)
            if data := same[listener.runs]:
                listener.messages.put(data)
