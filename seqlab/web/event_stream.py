"""An answer that goes on: bytes are sent as they come, until they end or the browser leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

ALIVE = 15.0  # seconds of silence after which an empty line says that the server is there
MOST_WAITING = 256  # messages that a slow browser may lag behind


class Messages:
    """What is to be sent; from any task of the loop's thread.

    A browser that lags too far behind is left: it asks again, and begins anew.
    """

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._most = most
        self.ended = False

    def put(self, data: bytes) -> None:
        if not self.ended:
            self._queue.put_nowait(data)
            if self._queue.qsize() > self._most:
                self._drop()

    def end(self) -> None:
        """Say that nothing follows."""
        if not self.ended:
            self.ended = True
            self._queue.put_nowait(None)

    def _drop(self) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()
        self.end()

    async def next(self) -> bytes | None:
        """Return the next message; None: there is none any more."""
        try:
            async with asyncio.timeout(ALIVE):
                return await self._queue.get()
        except TimeoutError:
            return b":\n\n"


class EventStream:
    """Sends messages as server-sent events.

    Args:
        messages: what is sent.
        left: called at the end, whether they ended or the browser left.
    """

    def __init__(self, messages: Messages, left: Callable[[], None]) -> None:
        self._messages, self._left = messages, left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        watching = asyncio.create_task(self._until_left(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while (data := await self._messages.next()) is not None:
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            watching.cancel()
            self._left()

    async def _until_left(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._messages.end()
        self._left()
