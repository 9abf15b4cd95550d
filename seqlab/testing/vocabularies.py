"""A vocabulary to check components with: a letter for each id, and unequal counts."""

from __future__ import annotations

import numpy as np

from seqlab.vocabulary import Vocabulary

SIZE = 37


def letters() -> Vocabulary:
    """Return a vocabulary of which id 0 does not occur, and others more the higher they are.

    The last id is reserved for a mask.
    """
    counts = np.arange(SIZE, dtype=np.int64) ** 2
    counts[-1] = 0
    return Vocabulary(SIZE, _letter, lambda: counts, {"mask": SIZE - 1})


def _letter(token: int) -> bytes:
    return b"" if token == SIZE - 1 else chr(ord("a") + token).encode()
