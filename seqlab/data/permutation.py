"""A shuffle in constant memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqlab.randomness import derive, scramble

_ROUNDS = 6


class Permutation:
    """A pseudorandom order of 0 … size - 1, any part of which is computed in constant memory.

    A balanced Feistel network over the next power of four, walked until the number is in range
    (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).

    Args:
        size: how many numbers are shuffled.
        seed: numbers that the order depends on, such as seed and epoch.
    """

    def __init__(self, size: int, *seed: int) -> None:
        self.size = size
        self._half = np.uint64(max(3, (max(size - 1, 1).bit_length() + 1) // 2))
        self._mask = np.uint64((1 << int(self._half)) - 1)
        self._keys = [np.uint64(derive(size, *seed, number)) for number in range(_ROUNDS)]

    def __call__(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers at `indices` (any shape, 0 … size - 1)."""
        flat = np.ravel(indices)
        if flat.size and not 0 <= flat.min() <= flat.max() < self.size:
            raise IndexError(f"a permutation of {self.size} has the indices 0 … {self.size - 1}")
        values = self._encrypt(flat.astype(np.uint64))
        while (outside := values >= self.size).any():
            values[outside] = self._encrypt(values[outside])
        return values.astype(np.int64).reshape(np.shape(indices))

    def _encrypt(self, values: NDArray[np.uint64]) -> NDArray[np.uint64]:
        left, right = values >> self._half, values & self._mask
        for key in self._keys:
            left, right = right, left ^ (scramble(right + key) & self._mask)
        return (left << self._half) | right
