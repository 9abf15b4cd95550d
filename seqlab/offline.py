"""Whether anything may be downloaded now."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

OFFLINE = "SEQLAB_OFFLINE"
_NO = ("", "0", "false", "no")
_looking: ContextVar[bool] = ContextVar("looking", default=False)


def why_offline() -> str:
    """Say why nothing is downloaded; empty: it may be."""
    if _looking.get():
        return "nothing is downloaded for a look"
    if os.environ.get(OFFLINE, "").lower() not in _NO:
        return f"{OFFLINE} is set, so nothing is downloaded"
    return ""


@contextmanager
def offline() -> Iterator[None]:
    """Have nothing downloaded for a while, by corpora that look at the environment too."""
    before, token = os.environ.get(OFFLINE), _looking.set(True)
    os.environ[OFFLINE] = "1"
    try:
        yield
    finally:
        _looking.reset(token)
        del os.environ[OFFLINE]
        if before is not None:
            os.environ[OFFLINE] = before
