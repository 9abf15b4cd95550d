"""Global random states, which a component should neither change nor depend on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from seqlab.testing.process_state import random_states
from seqlab.testing.promises import expect

UNUSED_SEED = 986_543_217  # a component that sets a seed sets another one, so it is noticed


@contextmanager
def random_states_left_alone() -> Iterator[None]:
    """Seed the global generators for the block, and compare their states before and after it.

    Raises:
        Broken: the block changed one.
    """
    kept = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            random.seed(UNUSED_SEED)
            np.random.seed(UNUSED_SEED)
            torch.manual_seed(UNUSED_SEED)
            before = random_states()
            yield
            after = random_states()
        finally:
            random.setstate(kept[0])
            np.random.set_state(kept[1])
    changed = ", ".join(name for name, state in after.items() if state != before[name])
    expect(not changed, "global random states to be left alone", f"it changed {changed}")
