"""A figure that a notebook shows, with no setting of matplotlib's."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from matplotlib.figure import Figure

DPI = 100


class ShownFigure(Figure):
    """A figure of matplotlib that is its own picture."""

    def _repr_png_(self) -> bytes:
        data = BytesIO()
        with np.errstate(over="ignore"):
            self.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
        return data.getvalue()
