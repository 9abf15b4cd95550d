"""The one door to matplotlib, which is in the extra `plot` and imported when a figure is drawn."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from seqlab.errors import UsageError

SETTINGS: Any = {
    "svg.hashsalt": "seqlab",  # names of clipping paths, which are random without it
    "svg.fonttype": "path",
    "pdf.fonttype": 3,  # takes fonts of every format
    "text.parse_math": False,  # a name with dollars in it is a name
    "axes.unicode_minus": False,
    "axes.formatter.useoffset": False,
}


@contextmanager
def drawing(*families: str) -> Iterator[None]:
    """Draw in our own way inside the block, whatever the user's settings are.

    Raises:
        UsageError: matplotlib is not installed.
    """
    expect_installed()
    import matplotlib

    # Its axes compute with powers of ten beyond the largest float, and then leave those out.
    with matplotlib.rc_context(), warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*missing")  # `fonts` says it
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**SETTINGS, "font.family": [*families] or ["DejaVu Sans"]})
        yield


def expect_installed() -> None:
    """Raise UsageError unless matplotlib is there."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError("drawing needs matplotlib: pip install 'seqlab[plot]'") from None
