"""What a test of reliability found."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

SHOWN = 5  # misses of one test that are written out


@dataclass(frozen=True)
class Outcome:
    """`result` is what was counted, `missed` one line for each time the bar was missed."""

    test: str
    result: str
    missed: Sequence[str] = ()

    def __str__(self) -> str:
        verdict = f" **missed {len(self.missed):,} times**" if self.missed else ""
        return f"| {self.test} | {self.result}{verdict} |"

    def report(self) -> str:
        """The first misses, one a line; nothing where the bar was met."""
        more = len(self.missed) - SHOWN
        lines = [*self.missed[:SHOWN], *([f"and {more:,} more"] if more > 0 else [])]
        return "\n".join(f"  {line}" for line in lines)


def chance_of(seed: int) -> random.Random:
    """The same chance every time; nobody is to be kept from guessing it."""
    return random.Random(seed)  # noqa: S311


def scaled(count: int, share: float, least: int = 1) -> int:
    """How many of `count` are done for a share of the test."""
    return min(count, max(least, round(count * share)))
