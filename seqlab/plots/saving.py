"""A figure as the bytes of a file: the same bytes for the same figure."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqlab.atomic import write_atomic
from seqlab.errors import RunFailed, UsageError
from seqlab.plots.matplotlib import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
_NO_TIME: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
"""The formats, and what of their metadata would differ from day to day, or version to version."""


def check_format(path: Path) -> None:
    """Raise UsageError unless the ending of a path is that of a format."""
    if path.suffix.lower() not in _NO_TIME:
        what = f"has the ending '{path.suffix}'" if path.suffix else "has no ending"
        raise UsageError(
            f"{path}: {what}, which is no format of a picture; there are: {', '.join(_NO_TIME)}"
        )


def save(figure: Figure, path: Path) -> None:
    """Write a figure to a file, whole or not at all, in the format of its ending.

    Raises:
        UsageError: the ending is that of no format.
        RunFailed: the file cannot be written.
    """
    check_format(path)
    kind = path.suffix.lower()
    data = BytesIO()
    with drawing():
        families = _families(figure)
    with drawing(*families):
        figure.savefig(data, format=kind[1:], dpi=DPI, metadata=_NO_TIME[kind])
    try:
        write_atomic(path, data.getvalue())
    except OSError as error:
        raise RunFailed(f"{path}: cannot be written ({error.strerror or error})") from None


def _families(figure: Figure) -> list[str]:
    """The fonts that the texts of a figure were given."""
    from matplotlib.text import Text

    texts = figure.findobj(Text)
    return list(dict.fromkeys(name for text in texts for name in text.get_fontfamily()))
