"""Serve the page until somebody ends it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from secrets import token_urlsafe
from threading import Thread

from seqlab.errors import UsageError
from seqlab.web.app import NEEDED, make_app
from seqlab.web.models import Models
from seqlab.web.run_index import RunIndex
from seqlab.web.watching import Watcher

LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True)
class Address:
    """Where a server listens, and the names that it answers to."""

    host: str = "127.0.0.1"
    port: int = 8765
    names: tuple[str, ...] = ()

    def hosts(self, port: int) -> frozenset[str]:
        """What `Host` of a request may be."""
        names = [*self.names, *((self.host,) if not self._is_any else (socket.gethostname(),))]
        if self.is_local or self._is_any:
            names += LOOPBACK
        plain = {_bracketed(name.lower()) for name in names}
        return frozenset({f"{name}:{port}" for name in plain} | (plain if port == 80 else set()))

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def _is_any(self) -> bool:
        return self.host in ("0.0.0.0", "::")  # noqa: S104 # it is compared

    @property
    def shown(self) -> str:
        """The name for the address that is printed."""
        return _bracketed(
            self.names[0] if self.names else LOOPBACK[0] if self._is_any else self.host
        )


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def serve(root: Path, address: Address, models: Models, told: Callable[[str], None]) -> None:
    """Serve the page of the runs under a root; `told` is called with its URL once it listens.

    Raises:
        UsageError: a package that it needs is missing, or the address cannot be had.
    """
    try:
        import uvicorn
    except ImportError:
        raise UsageError(NEEDED) from None

    with listening(address) as opened:
        port = opened.getsockname()[1]
        token, watcher = token_urlsafe(24), Watcher(RunIndex(root))
        Thread(target=watcher.index.refresh, daemon=True).start()  # until the page is opened
        app = make_app(watcher, models, token, address.hosts(port))

        class Server(uvicorn.Server):
            """Ends all streams when it is to end."""

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                told(f"http://{address.shown}:{port}/#token={token}")

            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                watcher.close()
                await super().shutdown(sockets)

        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=2,
        )
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        Server(config).run([opened])


def listening(address: Address) -> socket.socket:
    """Listen at an address."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((address.host, address.port))
    except (OSError, UnicodeError) as error:
        found.close()
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{address.host}:{address.port} cannot be listened at ({reason}); take another"
            " port, or 0 for any"
        ) from None
    return found
