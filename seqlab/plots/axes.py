"""The axes of a picture, and where a row of metrics lies on the horizontal one."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from seqlab.arguments import whole_number
from seqlab.errors import UsageError
from seqlab.registry.option_values import suggest

Rows = Sequence[Mapping[str, Any]]

XS = ("step", "epoch", "tokens", "time")
LOGS = ("", "x", "y", "xy")
MOST_SMOOTHED = 1_000_000
_UNITS = ((7200.0, 3600.0, "h"), (300.0, 60.0, "min"), (0.0, 1.0, "s"))


@dataclass(frozen=True)
class Axes:
    """`x` is what the horizontal axis shows; `log` has the axes that are logarithmic.

    `smooth` is the number of rows of which each point is the mean.
    """

    x: str = "step"
    log: str = ""
    smooth: int = 1

    def __post_init__(self) -> None:
        if self.x not in XS:
            raise UsageError(f"x: there is no '{self.x}'{suggest(str(self.x), XS)}")
        if self.log not in LOGS:
            raise UsageError(f"log should be x, y or xy, not {self.log!r}")
        whole_number(self.smooth, "smooth", 1, MOST_SMOOTHED)


def positions(rows: Rows, x: str) -> list[float]:
    """Return where each row lies: at its step, or epochs, trained tokens or seconds until then.

    An evaluation in the middle of an epoch lies between the ends of epochs, by its step.
    """
    if x == "step":
        return [float(row["step"]) for row in rows]
    if x == "time":
        return list(accumulate(float(row["seconds"]) for row in rows))
    training = [row for row in rows if row["split"] == "train"]
    steps = [0.0, *(float(row["step"]) for row in training)]
    if x == "epoch":
        values = [0.0, *(float(row["epoch"]) for row in training)]
    else:
        values = [0.0, *accumulate(float(row["tokens"]) for row in training)]
    if len(steps) == 1:  # nothing but evaluations: no epoch has ended
        return [float(row["epoch"]) if x == "epoch" else math.nan for row in rows]
    return [_between(float(row["step"]), steps, values) for row in rows]


def _between(step: float, steps: Sequence[float], values: Sequence[float]) -> float:
    """The value at a step, on the straight line between two known ones, or after the last two."""
    index = min(max(bisect_left(steps, step), 1), len(steps) - 1)
    left, right = steps[index - 1], steps[index]
    if right <= left:
        return values[index]
    return values[index - 1] + (step - left) / (right - left) * (values[index] - values[index - 1])


def time_unit(seconds: float) -> tuple[float, str]:
    """Return how many seconds the unit for a length of time has, and its name."""
    return next((size, name) for least, size, name in _UNITS if seconds >= least)
