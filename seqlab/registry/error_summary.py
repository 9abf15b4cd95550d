"""An error of a plugin -> one line that says what it was, and where it was raised."""

from __future__ import annotations

import os
import sysconfig
import traceback
from pathlib import Path

OWN = str(Path(__file__).resolve().parents[1]) + os.sep
NOT_A_PLUGIN = (OWN, sysconfig.get_path("stdlib") + os.sep + "importlib", "<")


def reason(error: BaseException) -> str:
    """The type, the message if there is one, and the location of an error, as one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # its `__str__` may fail
        text = ""
    return f"{type(error).__name__}{': ' if text else ''}{text}{_location(error)}"


def raised_in_core(error: BaseException) -> bool:
    """Whether the innermost frame is in seqlab."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename.startswith(OWN)


def _location(error: BaseException) -> str:
    """The innermost line outside of seqlab and of importlib."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if not frame.filename.startswith(NOT_A_PLUGIN)]
    if not outside:
        return ""
    name = min(outside[-1].filename, os.path.relpath(outside[-1].filename), key=len)
    return f" ({name}, line {outside[-1].lineno})"
