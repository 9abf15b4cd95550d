"""The client of a model hub, by `huggingface_hub`, which says nothing about itself."""

from __future__ import annotations

import logging
import os
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

NEEDED = "needs a package: pip install 'seqlab[hub]'"
MAX_LINE = 200
LOG_IN = "set HF_TOKEN, or log in with `hf auth login`"


def hub_client() -> Any:
    """Return the client of $HF_ENDPOINT, or huggingface.co, with the token of $HF_TOKEN or a login.

    Raises:
        ImportError: the package is missing.
    """
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="seqlab")


@contextmanager
def quiet_client() -> Iterator[None]:
    """Leave out the library's log and progress bars in a block: seqlab says what goes on."""
    utils: Any = import_module("huggingface_hub.utils")
    logger, bars = logging.getLogger("huggingface_hub"), not utils.are_progress_bars_disabled()
    level = logger.level
    logger.setLevel(logging.ERROR)
    utils.disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(level)
        if bars:
            utils.enable_progress_bars()


def status_of(error: Exception) -> int | None:
    """Return the HTTP status of an error, if it has one."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def in_one_line(error: Exception) -> str:
    """Return what an error says, shortened to a line."""
    text = " ".join(str(error).split())
    return textwrap.shorten(text, MAX_LINE) if text else type(error).__name__
