"""Nothing is downloaded for a look."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def offline() -> Iterator[None]:
    before = os.environ.get("SEQLAB_OFFLINE")
    os.environ["SEQLAB_OFFLINE"] = "1"
    try:
        yield
    finally:
        del os.environ["SEQLAB_OFFLINE"]
        if before is not None:
            os.environ["SEQLAB_OFFLINE"] = before
