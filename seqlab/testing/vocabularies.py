"""A vocabulary to check components with: a letter for each id, and unequal counts."""

from __future__ import annotations

import numpy as np

from seqlab.vocabulary import Vocabulary

SIZE = 37


def letters() -> Vocabulary:
    """Return a vocabulary of which id 0 does not occur, and others more the higher they are."""
    counts = np.arange(SIZE, dtype=np.int64) ** 2
    return Vocabulary(SIZE, lambda token: chr(ord("a") + token).encode(), lambda: counts)
