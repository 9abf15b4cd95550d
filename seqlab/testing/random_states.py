"""Global random states that a component should neither change nor heed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from seqlab.testing.process_state import random_states
from seqlab.testing.promises import expect

NOBODYS = 986_543_217  # a seed that no component sets, or its own seeding would not be seen


@contextmanager
def random_states_left_alone() -> Iterator[None]:
    """Look at the global random states before and after the block, in which they are others.

    Raises:
        Broken: the block changed one.
    """
    kept = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            random.seed(NOBODYS)
            np.random.seed(NOBODYS)
            torch.manual_seed(NOBODYS)
            before = random_states()
            yield
            drawn = [name for name, state in random_states().items() if state != before[name]]
        finally:
            random.setstate(kept[0])
            np.random.set_state(kept[1])
    expect(not drawn, "global random states to be left alone", f"it changed {', '.join(drawn)}")
