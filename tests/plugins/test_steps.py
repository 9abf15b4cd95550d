"""A step is the same on arrays as on tensors, whatever the sums are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from seqlab_plugins.steps import (
    OF_ARRAYS,
    OF_TENSORS,
    elman_step,
    gated_step,
    long_short_step,
    step_of_ids,
)

STEPS = {elman_step: 1, gated_step: 3, long_short_step: 4}  # and how many gates each has
B, H, V = 3, 5, 7


def drawn(*shape, scale=1.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return (scale * torch.randn(shape, generator=generator, dtype=torch.float64)).to(dtype)


def parts(state):
    return state if isinstance(state, tuple) else (state,)


@pytest.mark.parametrize("step", STEPS)
@given(scale=st.sampled_from([0.0, 1e-3, 1.0, 30.0, 1e6]))
def test_arrays_and_tensors_give_the_same(step, scale):
    sums = [drawn(B, STEPS[step] * H, scale=scale) for _ in range(2)]
    state = (drawn(B, H), drawn(B, H)) if step is long_short_step else drawn(B, H)
    arrays = tuple(map(np.asarray, state)) if isinstance(state, tuple) else state.numpy()
    found = step(sums[0].numpy(), arrays, sums[1].numpy(), OF_ARRAYS)
    wanted = step(sums[0], state, sums[1], OF_TENSORS)
    for one, other in zip(parts(found), parts(wanted), strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("step", STEPS)
def test_what_is_no_number_stays_so_without_a_warning(step):
    columns = torch.full((V, STEPS[step] * H), torch.inf)
    state = torch.full((B, H), torch.nan)
    before = (state, state) if step is long_short_step else state
    after = step_of_ids(step, columns)(torch.arange(B), before, -columns[:B])
    assert all(part.isnan().all() for part in parts(after))


@pytest.mark.parametrize("step", STEPS)
def test_what_numpy_has_no_numbers_for_is_computed_by_torch(step):
    gates = STEPS[step]
    found = []
    for dtype in (torch.float64, torch.bfloat16):
        columns, recurrent = drawn(V, gates * H, dtype=dtype), drawn(B, gates * H, dtype=dtype)
        state = drawn(B, H, dtype=dtype)
        before = (state, state) if step is long_short_step else state
        after = step_of_ids(step, columns)(torch.arange(B), before, recurrent)
        assert {part.dtype for part in parts(after)} == {dtype}
        found.append([part.double() for part in parts(after)])
    torch.testing.assert_close(*found, rtol=0.05, atol=0.05)
