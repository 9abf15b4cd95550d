"""The terminal that a picture is drawn on."""

from __future__ import annotations

import os
import sys

from seqlab.errors import UsageError

_DOT = "\u28ff"


def check_dots() -> None:
    """Raise UsageError unless the terminal has the dots that pictures are made of."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        _DOT.encode(encoding)
    except UnicodeEncodeError:
        raise UsageError(
            f"the encoding of this terminal ({encoding}) has no dots to draw with; take --out FILE,"
            " or PYTHONIOENCODING=utf-8"
        ) from None


def width_of_terminal() -> int:
    """Its columns, or 80 where there is none."""
    from rich.console import Console

    return Console().width if sys.stdout.isatty() or os.environ.get("COLUMNS") else 80
