"""A web server for tests: it answers from a mapping, and writes down what it was asked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class FileServer(ThreadingHTTPServer):
    """Files by their paths, such as `/a.txt`.

    `headers` makes those of an answer from its bytes, `missing` are those of one about no file,
    `status` is for every request where it is not 200, and `after_get` is called after each file.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.headers: Callable[[bytes], dict[str, str]] = with_etag
        self.status = 200
        self.logins: set[str | None] = set()
        self.location = ""
        self.missing: dict[str, str] = {}
        self.after_get: Callable[[], None] = lambda: None

    def url(self, path: str) -> str:
        """The URL of a path."""
        return f"http://127.0.0.1:{self.server_port}{path}"

    def got(self) -> list[str]:
        """The paths of the files that were downloaded since this was last called."""
        got = [asked.removeprefix("GET ") for asked in self.asked if asked.startswith("GET ")]
        self.asked.clear()
        return got


def with_etag(content: bytes) -> dict[str, str]:
    return {"ETag": f'"{hashlib.md5(content).hexdigest()}"'}  # noqa: S324 # no secret


def without_mark(content: bytes) -> dict[str, str]:
    return {}


class _Answer(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        self._answer()
        self.server.after_get()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        server = self.server
        server.asked.append(f"{self.command} {self.path}")
        server.logins.add(self.headers["Authorization"])
        content = server.files.get(self.path.partition("?")[0])
        status = 404 if content is None and server.status == 200 else server.status
        self.send_response(status)
        if server.location:
            self.send_header("Location", server.location)
        content = content or b""
        for name, value in (server.headers(content) if status == 200 else server.missing).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[FileServer]:
    """Run a server in a thread."""
    with FileServer() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
