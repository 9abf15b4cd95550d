"""As much of a model hub as pushing and pulling a run needs, in memory."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from yaml import safe_load as load_yaml

TOKEN = "hf_the_token_of_this_test"  # noqa: S105 # it opens nothing


@dataclass
class Repository:
    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"0" * 40: {}})
    branches: dict[str, str] = field(default_factory=lambda: {"main": "0" * 40})

    def at(self, revision: str) -> str | None:
        commit = self.branches.get(revision, revision)
        return commit if commit in self.commits else None


@dataclass
class HubServer:
    """What is on the hub, and which requests it got: method, path and the header of the token.

    `withheld` are files that it lists and does not give.
    """

    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    withheld: set[str] = field(default_factory=set)


@contextmanager
def hub_server() -> Iterator[HubServer]:
    hub = HubServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, hub))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: HubServer, *arguments: Any) -> None:
        self.hub = hub
        super().__init__(*arguments)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 # the names of http.server

    def _serve(self) -> None:
        body = self._body()
        path, token = self.path.partition("?")[0], self.headers.get("Authorization", "")
        self.hub.requests.append((self.command, path, token))
        for method, pattern, answer in ROUTES:
            if method == self.command and (match := re.fullmatch(pattern, path)):
                answer(self, *match.groups(), body=body)
                return
        self._refuse(404, "EntryNotFound")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _may_write(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return True
        self._refuse(401, "")
        return False

    def create(self, *, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if not self._may_write():
            return
        if name in self.hub.repositories:
            self._answer({"url": f"{self.hub.address}/{name}"}, 409)
            return
        self.hub.repositories[name] = Repository(asked.get("visibility") == "private")
        self._answer({"url": f"{self.hub.address}/{name}"})

    def branch(self, name: str, branch: str, *, body: bytes) -> None:
        repository = self.hub.repositories[name]
        repository.branches.setdefault(branch, repository.branches["main"])
        self._answer({})

    def card(self, *, body: bytes) -> None:
        front = json.loads(body)["content"].split("---\n")[1]
        assert load_yaml(front)["library_name"] == "seqlab"
        self._answer({"errors": [], "warnings": []})

    def preupload(self, name: str, branch: str, *, body: bytes) -> None:
        def mode(path: str) -> str:
            return "lfs" if path.endswith(".safetensors") else "regular"

        paths = [file["path"] for file in json.loads(body)["files"]]
        files = [{"path": p, "uploadMode": mode(p), "shouldIgnore": False} for p in paths]
        self._answer({"files": files})

    def batch(self, name: str, *, body: bytes) -> None:
        def upload(large: dict[str, Any]) -> dict[str, Any]:
            href = f"{self.hub.address}/large/{large['oid']}"
            return {**large, "actions": {"upload": {"href": href}}}

        objects = [upload(large) for large in json.loads(body)["objects"]]
        self._answer({"transfer": "basic", "objects": objects})

    def store(self, oid: str, *, body: bytes) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.large[oid] = body
        self._answer({})

    def commit(self, name: str, branch: str, *, body: bytes) -> None:
        repository = self.hub.repositories[name]
        files = dict(repository.commits[repository.branches[branch]])
        for line in body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            match operation["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.hub.large[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()  # noqa: S324
        repository.commits[commit] = files
        repository.branches[branch] = commit
        url = f"{self.hub.address}/{name}/commit/{commit}"
        self._answer({"commitUrl": url, "commitOid": commit, "success": True})

    def info(self, name: str, revision: str | None = None, *, body: bytes) -> None:
        if (found := self._found(name, revision)) is None:
            return
        repository, commit = found
        siblings = [{"rfilename": path} for path in repository.commits[commit]]
        self._answer({"id": name, "sha": commit, "siblings": siblings})

    def tree(self, name: str, revision: str, *, body: bytes) -> None:
        if (found := self._found(name, revision)) is None:
            return
        repository, commit = found
        files = repository.commits[commit].items()
        entries = [
            {"type": "file", "path": path, "size": len(data), "oid": _etag(data)}
            for path, data in files
        ]
        self._answer(entries)

    def file(self, name: str, revision: str, path: str, *, body: bytes) -> None:
        if (found := self._found(name, revision)) is None:
            return
        repository, commit = found
        if path in self.hub.withheld:
            self._refuse(404, "EntryNotFound")
            return
        data = repository.commits[commit][path]
        self._answer(data, headers={"X-Repo-Commit": commit, "ETag": f'"{_etag(data)}"'})

    def _found(self, name: str, revision: str | None) -> tuple[Repository, str] | None:
        repository = self.hub.repositories.get(name)
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if repository is None or (repository.private and not known):
            self._refuse(401, "RepoNotFound")
            return None
        commit = repository.at(revision or "main")
        if commit is None:
            self._refuse(404, "RevisionNotFound")
            return None
        return repository, commit

    def _refuse(self, status: int, code: str) -> None:
        self._answer({"error": "not found"}, status, {"X-Error-Code": code} if code else {})

    def _answer(
        self, content: Any, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _etag(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()  # noqa: S324 # as git names a file


_NAME = r"([\w.-]+/[\w.-]+)"
ROUTES = [
    ("POST", r"/api/repos/create", _Handler.create),
    ("POST", r"/api/validate-yaml", _Handler.card),
    ("POST", rf"/api/models/{_NAME}/branch/(.+)", _Handler.branch),
    ("POST", rf"/api/models/{_NAME}/preupload/(.+)", _Handler.preupload),
    ("POST", rf"/api/models/{_NAME}/commit/(.+)", _Handler.commit),
    ("POST", rf"/{_NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT", r"/large/(\w+)", _Handler.store),
    ("GET", rf"/api/models/{_NAME}/revision/(.+)", _Handler.info),
    ("GET", rf"/api/models/{_NAME}/tree/([^/]+)", _Handler.tree),
    ("GET", rf"/api/models/{_NAME}", _Handler.info),
    ("GET", rf"/{_NAME}/resolve/([^/]+)/(.+)", _Handler.file),
    ("HEAD", rf"/{_NAME}/resolve/([^/]+)/(.+)", _Handler.file),
]
