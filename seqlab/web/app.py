"""The routes of the page."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from seqlab import __version__
from seqlab.errors import SeqlabError, UsageError
from seqlab.web.difference import difference
from seqlab.web.encoding import as_json
from seqlab.web.event_stream import EventStream
from seqlab.web.models import Models
from seqlab.web.run_index import RunIndex
from seqlab.web.security import Guard, Refused, body_of
from seqlab.web.watching import Watcher
from seqlab.web.working import Worker, parsed

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

MOST_RUNS = 16  # whose curves are shown together
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
COLUMNS = (
    ("name", "run"),
    ("status", "status"),
    ("progress", "progress"),
    ("best", "best"),
    ("last", "last"),
    ("speed", "tokens/s"),
    ("corpus", "corpus"),
    ("differs", "what differs"),
    ("tags", "tags"),
    ("started", "started (UTC)"),
)
NEEDED = "the page needs packages: pip install 'seqlab[web]'"


class Pages:
    """What is asked for, and what is answered."""

    def __init__(self, index: RunIndex, watcher: Watcher, worker: Worker) -> None:
        self._index, self._watcher, self._worker = index, watcher, worker

    async def shell(self, request: Request) -> Response:
        from starlette.responses import HTMLResponse

        return HTMLResponse(_shell(str(self._index.root)))

    async def static(self, request: Request) -> Response:
        from starlette.responses import Response

        found = _static().get(request.path_params["name"])
        if found is None:
            raise Refused(404, "there is no such file")
        data, kind = found
        headers = {"content-type": kind, "cache-control": "private, max-age=3600"}
        return Response(data, headers=headers)

    async def events(self, request: Request) -> EventStream:
        runs = [run for run in request.query_params.get("runs", "").split(",") if run]
        if len(runs) > MOST_RUNS:
            raise Refused(400, f"at most {MOST_RUNS} runs are shown together")
        listener = await self._watcher.join(runs, request.query_params.get("since", ""))
        return EventStream(listener.messages, lambda: self._watcher.leave(listener))

    async def difference(self, request: Request) -> Response:
        runs = request.query_params.get("runs", "").split(",")[:MOST_RUNS]
        for run in runs:
            self._folder(run)
        return await _answer(difference, [self._index.settings(run) for run in runs])

    async def forms(self, request: Request) -> Response:
        return await _answer(self._worker.forms, self._folder(request.path_params["run"]))

    async def play(self, request: Request) -> EventStream:
        ask = parsed(await body_of(request))
        return self._worker.start(request.path_params["kind"], ask, self._folder(ask.run))

    def _folder(self, run: Any) -> Any:
        folder = self._index.folder(run) if isinstance(run, str) else None
        if folder is None:
            raise Refused(404, "there is no such run")
        return folder


async def _answer(function: Any, *arguments: Any) -> Response:
    """Answer with what a function returns, which may read files."""
    from anyio.to_thread import run_sync
    from starlette.responses import Response

    value = await run_sync(lambda: as_json(function(*arguments)))
    return Response(value, media_type="application/json")


def make_app(watcher: Watcher, models: Models, token: str, hosts: Collection[str]) -> ASGIApp:
    """Return the server of a page.

    Args:
        watcher: knows the runs that are shown, and tells what changes.
        models: of the playground.
        token: who has it may ask.
        hosts: the names of this server, each with its port.

    Raises:
        UsageError: a package that it needs is missing.
    """
    try:
        import jinja2  # noqa: F401
        import plotly  # noqa: F401
        from starlette.applications import Starlette
        from starlette.routing import Route
    except ImportError:
        raise UsageError(NEEDED) from None
    pages = Pages(watcher.index, watcher, Worker(models))
    routes = [
        Route("/", pages.shell),
        Route("/static/{name}", pages.static),
        Route("/api/events", pages.events),
        Route("/api/runs/{run}/forms", pages.forms),
        Route("/api/difference", pages.difference),
        Route("/api/play/{kind}", pages.play, methods=["POST"]),
    ]
    handlers: dict[Any, Any] = {Refused: _refused, SeqlabError: _refused}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), token, hosts)


async def _refused(_: Request, error: Exception) -> Response:
    from starlette.responses import Response

    status = error.status if isinstance(error, Refused) else 400
    lines = error.lines if isinstance(error, SeqlabError) else (str(error),)
    return Response(as_json({"error": "\n".join(lines)}), status, media_type="application/json")


@cache
def _static() -> dict[str, tuple[bytes, str]]:
    """The files of the page by name, and the script of the charts from its package."""
    own = [file for file in files("seqlab.web").joinpath("static").iterdir() if file.is_file()]
    found = {
        file.name: (file.read_bytes(), TYPES["." + file.name.rpartition(".")[2]]) for file in own
    }
    script = files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()
    return found | {"plotly.min.js": (script, TYPES[".js"])}


def _shell(root: str) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("seqlab.web")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    return environment.get_template("index.html").render(
        version=__version__, root=root, columns=COLUMNS
    )
