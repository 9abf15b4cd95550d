"""An error of somebody's code -> one line that says what it was, and where."""

from __future__ import annotations

import os
import sysconfig
import traceback
from pathlib import Path

OWN = str(Path(__file__).resolve().parents[1]) + os.sep
NOT_THEIRS = (OWN, sysconfig.get_path("stdlib") + os.sep + "importlib", "<")


def reason(error: BaseException) -> str:
    """The error as one line: its type, its message if it has one, and the line that raised it."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # its own message may fail
        text = ""
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return said + _place(error)


def raised_in_core(error: BaseException) -> bool:
    """Whether the innermost line that an error came from is one of seqlab's."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename.startswith(OWN)


def _place(error: BaseException) -> str:
    """The last line outside of seqlab and of what imports."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(NOT_THEIRS)]
    if not theirs:
        return ""
    name = min(theirs[-1].filename, os.path.relpath(theirs[-1].filename), key=len)
    return f" ({name}, line {theirs[-1].lineno})"
