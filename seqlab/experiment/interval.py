"""How often something happens: in steps, epochs or minutes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt, Le

from seqlab.options import Check

_PATTERN = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?) (step|epoch|minute)s?")


@dataclass(frozen=True)
class Interval:
    """`size` is a whole number of steps or epochs, or a number of minutes."""

    size: float
    unit: Literal["step", "epoch", "minute"]

    def due(self, *, step: int, epoch: int, ends_epoch: bool, minutes: float) -> bool:
        """Whether it happens after `step`; `minutes` have passed since the last time."""
        if self.unit == "minute":
            return minutes >= self.size
        if self.unit == "epoch":
            return ends_epoch and epoch % self.size == 0
        return step % self.size == 0


def interval(value: int | str) -> Interval:
    """Read a number of steps, or a text such as '2 epochs'; raises ValueError."""
    if isinstance(value, int):
        return Interval(value, "step")
    match = _PATTERN.fullmatch(value)
    if match is None:
        raise ValueError("a number of steps, or a text such as '2 epochs' or '10 minutes'")
    size, unit = float(match[1]), match[2]
    if size <= 0 or (unit != "minute" and size != int(size)):
        raise ValueError("a whole number of steps or epochs, or a number of minutes, above 0")
    return Interval(size, unit)  # type: ignore[arg-type] # the pattern has these three


def _checked(value: int | str) -> int | str:
    interval(value)
    return value


Every = Annotated[int, Gt(0), Le(2**40)] | Annotated[str, Check(_checked)]
