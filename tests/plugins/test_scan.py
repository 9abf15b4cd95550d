"""A scan is a loop, in values and gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqlab_plugins.scan import linear_scan


def stepped_scan(decay, added, state):
    states = []
    for a, b in zip(decay.unbind(1), added.unbind(1), strict=True):
        state = a * state + b
        states.append(state)
    return torch.stack(states, 1)


@settings(deadline=None)
@given(
    st.integers(1, 3),
    st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 65, 512])),
    st.lists(st.integers(1, 3), max_size=2),
    st.sampled_from([(0.0, 1e-6), (0.0, 1.0), (1 - 1e-6, 1.0), (-1.0, 0.0)]),
)
def test_a_scan_is_a_loop(rows, window, sizes, decays):
    generator = torch.Generator().manual_seed(window)
    shape = (rows, window, *sizes)
    decay = torch.empty(shape).uniform_(*decays, generator=generator)
    added, initial = (torch.randn(s, generator=generator) for s in (shape, (rows, *sizes)))
    exact = stepped_scan(decay.double(), added.double(), initial.double())
    found = linear_scan(decay, added, initial)
    torch.testing.assert_close(found.double(), exact, rtol=2e-6, atol=1e-5)


@pytest.mark.parametrize("window", [1, 2, 3, 6, 7])
def test_a_scan_has_the_gradients_of_a_loop_and_theirs(window):
    shapes = ((2, window, 3), (2, window, 3), (2, 3))
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(s, dtype=torch.float64, generator=generator) for s in shapes]
    given = [tensor.requires_grad_() for tensor in given]
    assert torch.autograd.gradcheck(linear_scan, given)
    assert torch.autograd.gradgradcheck(linear_scan, given)
