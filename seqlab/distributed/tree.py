"""Values added in one fixed binary tree, whoever computes the leaves.

Floating-point sums depend on their order. Here it is ((0 + 1) + (2 + 3)) + …, so the same leaves
have the same sum, to the bit, however many processes add them: a process owns whole subtrees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class TreeSum(Generic[T]):
    """Adds a power of two of leaves, one by one; it holds at most one sum of each height.

    Args:
        add: two sums of equal height, the left one first; it may change and return the left one.
    """

    def __init__(self, add: Callable[[T, T], T]) -> None:
        self._add = add
        self._waiting: list[tuple[int, T]] = []  # (height, sum), the highest first

    def append(self, value: T) -> None:
        """Add the next leaf."""
        height = 0
        while self._waiting and self._waiting[-1][0] == height:
            value = self._add(self._waiting.pop()[1], value)
            height += 1
        self._waiting.append((height, value))

    @property
    def total(self) -> T:
        """The sum; raise ValueError unless the leaves were a power of two."""
        ((_, total),) = self._waiting
        return total


def tree_sum(leaves: Iterable[T], add: Callable[[T, T], T]) -> T:
    """Add a power of two of leaves."""
    tree = TreeSum(add)
    for leaf in leaves:
        tree.append(leaf)
    return tree.total
