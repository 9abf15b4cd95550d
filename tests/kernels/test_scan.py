"""A scan is a loop, in values and gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.kernels import linear_scan, use_kernels

backends = pytest.mark.parametrize("backend", ["torch", "numba"])


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
    with use_kernels("reference"):
        exact = linear_scan(decay.double(), added.double(), initial.double())
    for backend in ("torch", "numba"):
        with use_kernels(backend):
            found = linear_scan(decay, added, initial)
        torch.testing.assert_close(found.double(), exact, rtol=2e-6, atol=5e-5)


@pytest.mark.parametrize("window", [1, 2, 3, 6, 7])
def test_a_scan_has_the_gradients_of_a_loop_and_theirs(window):
    shapes = ((2, window, 3), (2, window, 3), (2, 3))
    generator = torch.Generator().manual_seed(0)
    given = [torch.randn(s, dtype=torch.float64, generator=generator) for s in shapes]
    given = [tensor.requires_grad_() for tensor in given]
    assert torch.autograd.gradcheck(linear_scan, given)
    assert torch.autograd.gradgradcheck(linear_scan, given)


@backends
@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (1, 6, 5), (3, 40, 2, 9)])
def test_float32_has_the_gradients_of_a_loop_and_theirs(shape, backend):
    generator = torch.Generator().manual_seed(1)
    given = [torch.rand(shape, generator=generator) for _ in range(2)]
    given.append(torch.randn(shape[0], *shape[2:], generator=generator))
    given = [tensor.requires_grad_() for tensor in given]

    def found(name):
        with use_kernels(name):
            first = torch.autograd.grad(
                linear_scan(*given).square().sum(), given, create_graph=True
            )
            return [*first, *torch.autograd.grad(sum(g.square().sum() for g in first), given)]

    torch.testing.assert_close(found(backend), found("reference"), rtol=2e-5, atol=2e-5)


@backends
def test_it_does_not_matter_how_what_is_given_lies_in_memory(backend):
    generator = torch.Generator().manual_seed(1)
    given = [torch.rand(3, 6, 4, 5, generator=generator) for _ in range(2)]
    given.append(torch.randn(3, 4, 5, generator=generator))
    turned = [part.transpose(-1, -2).contiguous().transpose(-1, -2) for part in given]
    with use_kernels(backend):
        plain, found = (
            torch.autograd.grad(linear_scan(*parts).transpose(1, 3).cos().sum(), parts)
            for parts in ([t.requires_grad_() for t in group] for group in (given, turned))
        )
    torch.testing.assert_close(found, plain)


def test_a_scan_broadcasts():
    decay, inputs, initial = torch.rand(3, 6, 1), torch.rand(3, 6, 4), torch.rand(1, 4)
    whole = linear_scan(decay.expand(3, 6, 4), inputs, initial.expand(3, 4))
    torch.testing.assert_close(linear_scan(decay, inputs, initial), whole)
