"""The trials of a sweep -> axes on which each of them has a place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tried:
    """A trial: its value, and where it is on each axis that it is on."""

    number: int
    value: float
    settings: Mapping[str, Any]
    pruned: bool


@dataclass(frozen=True)
class Scale:
    """An axis of a picture.

    Args:
        key: that was searched.
        log: whether it is logarithmic.
        labels: the values of a list, in order; empty: they are numbers.
    """

    key: str
    log: bool = False
    labels: tuple[str, ...] = ()

    def has(self, value: Any) -> bool:
        """Whether a value has a place."""
        if self.labels:
            return str(value) in self.labels
        return type(value) in (int, float) and (value > 0 or not self.log)

    def place(self, value: Any) -> float:
        """Where a value is: the logarithm of a number, the index in a list."""
        if self.labels:
            return float(self.labels.index(str(value)))
        return math.log10(value) if self.log else float(value)

    def ticks(self, places: Sequence[float]) -> list[tuple[float, str]]:
        """Places with what is written there: all of a list, else both ends and the middle."""
        if self.labels:
            return [(float(index), label) for index, label in enumerate(self.labels)]
        low, high = min(places), max(places)
        chosen = [low, (low + high) / 2, high] if high > low else [low]
        return [(place, f"{10**place if self.log else place:.3g}") for place in chosen]


@dataclass(frozen=True)
class SweepPicture:
    """What is drawn of a sweep.

    Args:
        name: of the sweep.
        measure: by which it is judged, such as `valid loss, best`.
        minimizes: whether less of it is better.
        scales: an axis for each key.
        tried: the trials that have a value.
        importances: shares, by name.
    """

    name: str
    measure: str
    minimizes: bool
    scales: tuple[Scale, ...]
    tried: tuple[Tried, ...]
    importances: Mapping[str, float]

    @property
    def ranked(self) -> list[Tried]:
        """The trials, the worst first, so that good ones are drawn over others."""
        sign = 1 if self.minimizes else -1
        return sorted(self.tried, key=lambda trial: -sign * trial.value)

    def places(self, scale: Scale) -> list[tuple[Tried, float]]:
        """Where trials are on an axis, without those that have no such key."""
        return [(t, scale.place(t.settings[scale.key])) for t in self.ranked
                if scale.has(t.settings.get(scale.key))]  # fmt: skip
