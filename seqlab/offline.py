"""Whether downloads are allowed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

OFFLINE = "SEQLAB_OFFLINE"
_NO = ("", "0", "false", "no")
_forbidden: ContextVar[bool] = ContextVar("forbidden", default=False)


def why_offline() -> str:
    """Why downloads are not allowed; empty: they are."""
    if _forbidden.get():
        return "nothing is downloaded without a run"
    if os.environ.get(OFFLINE, "").lower() not in _NO:
        return f"{OFFLINE} is set, so nothing is downloaded"
    return ""


@contextmanager
def offline() -> Iterator[None]:
    """Forbid downloads in a block, also to corpora that read the environment variable."""
    before, token = os.environ.get(OFFLINE), _forbidden.set(True)
    os.environ[OFFLINE] = "1"
    try:
        yield
    finally:
        _forbidden.reset(token)
        del os.environ[OFFLINE]
        if before is not None:
            os.environ[OFFLINE] = before
