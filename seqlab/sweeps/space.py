"""The dimensions of a space: keys of an experiment, and the values that each may have."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from seqlab.experiment.located import Located
from seqlab.experiment.yaml12 import dump_flow

Label: TypeAlias = str | int | float | bool | None
Point: TypeAlias = Mapping[str, Label]
"""A value for each dimension that is searched, by its name; a choice by its label."""


@dataclass(frozen=True)
class Choice:
    """One of several values; `label` is short for it."""

    label: Label
    located: Located


@dataclass(frozen=True)
class Numbers:
    """Numbers from `low` to `high`, both included.

    Args:
        low: the least; an int where `whole`.
        high: the most.
        log: whether their logarithm is spread evenly.
        whole: whether they are integers.
        step: between two neighbours; None: 1 of integers, and none of others.
        ends: where `low` and `high` are written.
    """

    low: float
    high: float
    log: bool
    whole: bool
    step: float | None
    ends: tuple[Located, Located]

    @property
    def count(self) -> int | None:
        """How many there are; None: they are not counted."""
        if self.log or (self.step is None and not self.whole):
            return None
        return int((self.high - self.low) // (self.step or 1)) + 1


@dataclass(frozen=True)
class Condition:
    """A dimension is searched where another one has one of these labels."""

    name: str
    labels: tuple[Label, ...]

    def holds(self, point: Point) -> bool:
        return self.name in point and any(same(point[self.name], label) for label in self.labels)


@dataclass(frozen=True)
class Dimension:
    """A key that is searched.

    Args:
        name: of the dimension: its key, and the condition that is written for it, if any.
        key: of an experiment.
        values: that it may have.
        where: it is searched where all of these hold.
        located: where it is written.
    """

    name: str
    key: str
    values: tuple[Choice, ...] | Numbers
    where: tuple[Condition, ...]
    located: Located

    def applies(self, point: Point) -> bool:
        return all(condition.holds(point) for condition in self.where)

    def written(self, label: Label) -> Located:
        """The value that a label stands for, as it is written."""
        if isinstance(self.values, Numbers):
            return Located(label, self.located.origin)
        return next(choice.located for choice in self.values if same(choice.label, label))

    def in_words(self) -> str:
        """The values, and where they are searched, in one line."""
        values = self.values
        if isinstance(values, Numbers):
            kind = "whole numbers" if values.whole else "numbers"
            words = f"{kind} from {values.low:g} to {values.high:g}"
            words += " by logarithm" if values.log else ""
            words += f" in steps of {values.step:g}" if values.step else ""
        else:
            words = " | ".join(dump_flow(choice.label) for choice in values)
        where = [f"{c.name}={'|'.join(map(dump_flow, c.labels))}" for c in self.where]
        return f"{words}, where {' and '.join(where)}" if where else words

    @property
    def listed(self) -> list[Label] | None:
        """The labels of all values; None: there are too many."""
        if isinstance(self.values, tuple):
            return [choice.label for choice in self.values]
        numbers = self.values
        if numbers.count is None:
            return None
        step = numbers.step or 1
        return [_of_kind(numbers, numbers.low + i * step) for i in range(numbers.count)]


def _of_kind(numbers: Numbers, value: float) -> float:
    return int(value) if numbers.whole else value


def same(one: Label, other: Label) -> bool:
    """Whether labels are equal; True is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def point_of(dimensions: Sequence[Dimension], label: Callable[[Dimension], Label]) -> Point:
    """Return a point: a label for each dimension that applies, those it depends on first."""
    point: dict[str, Label] = {}
    for dimension in dimensions:
        if dimension.applies(point):
            point[dimension.name] = label(dimension)
    return point


def settings_of(dimensions: Sequence[Dimension], point: Point) -> list[tuple[str, Located]]:
    """Return the keys and values of a point, components before their options."""
    return [(d.key, d.written(point[d.name])) for d in dimensions if d.name in point]


def grid(dimensions: Sequence[Dimension]) -> Iterator[dict[str, Label]]:
    """Yield every point once; a dimension has values only where it applies."""
    points: list[dict[str, Label]] = [{}]
    for dimension in dimensions:
        points = list(itertools.chain(*(_with(dimension, point) for point in points)))
    yield from points


def _with(dimension: Dimension, point: dict[str, Label]) -> list[dict[str, Label]]:
    if not dimension.applies(point):
        return [point]
    return [{**point, dimension.name: label} for label in dimension.listed or ()]


def grid_size(dimensions: Sequence[Dimension]) -> int:
    """Return an upper bound of the number of points, without making them."""
    size = 1
    for dimension in dimensions:
        size *= max(len(dimension.listed or ()), 1)
    return size
