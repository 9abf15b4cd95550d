"""A server of the page, a browser that looks at it, and runs to look at."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from shutil import which
from typing import Any

import pytest

import seqlab

pytest.importorskip("starlette", reason="the extra `web` is not installed")
pytest.importorskip("uvicorn", reason="the extra `web` is not installed")

CHROMIUM = which("chromium")
TOKEN = "t0ken-of-the-test"  # noqa: S105 # of no other server


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Site:
    """A server in a thread of this process."""

    def __init__(self, root: Path, registry: Any) -> None:
        import uvicorn

        from seqlab.web.app import make_app
        from seqlab.web.models import Models
        from seqlab.web.run_index import RunIndex
        from seqlab.web.serving import Address, listening
        from seqlab.web.watching import Watcher

        self.root = root
        self._socket = listening(Address(port=0))
        self.port = self._socket.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}/#token={TOKEN}"
        self.watcher = Watcher(RunIndex(root))
        self.models = Models(2, lambda: registry)
        app = make_app(self.watcher, self.models, TOKEN, Address().hosts(self.port))
        config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    def __enter__(self) -> Site:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self.watcher.close()
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def ask(
        self, path: str, body: Any = None, *, method: str = "", without: str = "", **headers: str
    ) -> Answer:
        """Ask as the page does; `headers` change or add, with `_` for `-`, and `without` drops."""
        given = {"Host": self.host, "Authorization": f"Bearer {TOKEN}"}
        if body is not None:
            given |= {"Content-Type": "application/json", "Origin": f"http://{self.host}"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        given.pop(without, None)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.putrequest(
                method or ("GET" if body is None else "POST"), path, skip_host=True
            )
            for name, value in given.items():
                connection.putheader(name, value)
            if data is not None:
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())

    def told(self, kind: str, **body: Any) -> list[tuple[str, Any]]:
        """Ask the playground; return the events of its answer."""
        answer = self.ask(f"/api/play/{kind}", body)
        assert answer.status == 200, answer.body
        blocks = answer.body.decode().strip().split("\n\n")
        pairs = (block.split("\n") for block in blocks)
        return [(e.removeprefix("event: "), json.loads(d.removeprefix("data: "))) for e, d in pairs]

    @contextmanager
    def events(self, query: str = "") -> Iterator[Iterator[tuple[str, Any]]]:
        """Look at what changes; the block is given the events as they come."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(
                "GET", f"/api/events?{query}", headers={"Authorization": f"Bearer {TOKEN}"}
            )
            yield _events(connection.getresponse())

    def id_of(self, folder: Path) -> str:
        self.watcher.index.refresh()
        names = {run: self.watcher.index.folder(run) for run in self.watcher.index.ids}
        return next(run for run, found in names.items() if found and found.path == folder)


def _events(answer: Any) -> Iterator[tuple[str, Any]]:
    name = ""
    while line := answer.readline().decode():
        if line.startswith("event: "):
            name = line[7:].strip()
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


@pytest.fixture
def serve(registry: seqlab.Registry) -> Iterator[Callable[..., Site]]:
    """Serve a folder of runs until the end of the test."""
    sites: list[Site] = []

    def serve(root: Path | str = "runs", own: seqlab.Registry = registry) -> Site:
        sites.append(Site(Path(root).absolute(), own).__enter__())
        return sites[-1]

    yield serve
    for site in sites:
        site.__exit__()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser without a screen."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine (apt install chromium)")
    api.expect.set_options(timeout=30_000)  # for a machine with much else to do
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def look(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open a page; nothing may be complained of in its console."""
    complaints: list[str] = []
    contexts: list[Any] = []

    def look(site: Site, width: int = 1200, scheme: str = "light") -> Any:
        size = {"width": width, "height": 900}
        context = chromium.new_context(viewport=size, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(site.url)
        return page

    yield look
    for context in contexts:
        context.close()
    assert complaints == []
