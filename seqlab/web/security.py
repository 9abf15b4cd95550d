"""Who may ask for what: the token, the names of this server, and what a page may do."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from secrets import compare_digest
from typing import TYPE_CHECKING, Any

from seqlab.web.encoding import as_json

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # plotly writes the styles of its drawings
        "img-src data:",  # a heat map of plotly is a picture
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
MOST_BODY = 1 << 20  # bytes


class Refused(Exception):
    """A request that is not answered; `status` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Guard:
    """Lets through what comes from the page of this server, and adds the headers of `HEADERS`.

    Args:
        app: what answers.
        token: what every request under `/api/` has to bring as `Authorization: Bearer TOKEN`.
        hosts: what `Host` may be, with the port; `Origin`, where it is given, is the same.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: Collection[str]) -> None:
        self._app, self._token, self._hosts = app, token.encode(), frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # a websocket is closed without an answer

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = {name.lower() for name, _ in message.get("headers", ())}
                own = [(k.encode(), v.encode()) for k, v in HEADERS.items()]
                more = [pair for pair in own if pair[0] not in named]
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            await _answer(send_with_headers, refused)
            return
        await self._app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Refused | None:
        given: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            given.setdefault(name.lower(), []).append(value)
        host = given.get(b"host", [])
        if len(host) != 1 or host[0].decode("latin-1") not in self._hosts:
            return Refused(421, "this server has another name")
        if scope["method"] not in ("GET", "POST"):
            return Refused(405, "only GET and POST are answered")
        own = f"{scope['scheme']}://{host[0].decode('latin-1')}".encode()
        origin = given.get(b"origin", [])
        if origin != [own] and (origin or scope["method"] == "POST"):
            return Refused(403, "a page of another origin asks")
        if scope["path"].startswith("/api/") and not self._has_token(given):
            return Refused(401, "no valid token: open the address that seqlab serve printed")
        if scope["method"] == "POST" and given.get(b"content-type") != [b"application/json"]:
            return Refused(415, "a request has to be application/json")
        return None

    def _has_token(self, given: Mapping[bytes, list[bytes]]) -> bool:
        (*_, value) = given.get(b"authorization", [b""])
        scheme, _, token = value.partition(b" ")
        return scheme.lower() == b"bearer" and compare_digest(token, self._token)


async def _answer(send: Send, refused: Refused) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": as_json({"error": str(refused)})})


async def body_of(request: Request) -> dict[str, Any]:
    """Read the JSON object that a request brings.

    Raises:
        Refused: it is too large, or none.
    """
    from starlette.requests import ClientDisconnect

    data = bytearray()
    try:
        async for part in request.stream():
            data += part
            if len(data) > MOST_BODY:
                raise Refused(413, f"a request has at most {MOST_BODY:,} bytes")
    except ClientDisconnect:
        raise Refused(400, "the request was not sent whole") from None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise Refused(400, "the request is not JSON") from None
    if not isinstance(value, dict):
        raise Refused(400, "the request should be an object")
    return value
