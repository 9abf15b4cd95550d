"""What a compiled loop makes of logits is what torch's operations make of them."""

from __future__ import annotations

import pytest
import torch

import seqlab
from seqlab.kernels import choose, softmax_errors, use_kernels

N, V = 40, 1027
needs_numba = pytest.mark.skipif(bool(seqlab.why_not_compiled()), reason="an extra: seqlab[fast]")
pytestmark = needs_numba


@pytest.fixture(params=[1, 2], ids=["one core", "two cores"])
def both(request):
    """What a compiled loop gives, and what torch's operations give."""
    torch.set_num_threads(request.param)

    def both(logits, bias, targets):
        found = []
        for backend in ("numba", "reference"):
            with use_kernels(backend):
                found.append(softmax_errors(logits.clone(), bias, targets))
        return found

    yield both
    torch.set_num_threads(1)


def drawn(scale=3.0, rows=N, columns=V):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, columns, generator=generator) * scale
    bias = torch.randn(columns, generator=generator)
    return logits, bias, torch.randint(columns, (rows,), generator=generator)


@pytest.mark.parametrize("scale", [1e3, 1e30])
def test_what_is_far_below_the_largest_is_nothing(both, scale):
    (nats, wrong, sums), wanted = both(*drawn(scale))
    torch.testing.assert_close((nats, wrong, sums), wanted, rtol=2e-6, atol=2e-6)
    assert (wrong == 0).any()


def test_what_is_not_a_number_stays_in_its_row(both):
    logits, bias, targets = drawn()
    logits[2, 5], logits[4, 6], logits[6] = torch.nan, torch.inf, -torch.inf
    for nats, _, sums in both(logits, bias, targets):
        assert nats.isfinite().logical_not().nonzero().flatten().tolist() == [2, 4, 6]
        assert sums[[0, 1, 3, 5]].isfinite().all()


def test_an_impossible_token_has_no_probability(both):
    logits, bias, targets = drawn()
    bias[7] = -torch.inf
    targets[targets == 7] = 8
    for nats, wrong, _ in both(logits, bias, targets):
        assert (wrong[:, 7] == 0).all()
        assert nats.isfinite().all()


def test_a_target_that_does_not_exist_is_refused(both):
    logits, bias, targets = drawn()
    targets[3] = V
    with pytest.raises(IndexError, match=rf"targets are \d+ … {V}; there are {V} tokens"):
        both(logits, bias, targets)


def test_few_logits_and_other_dtypes_stay_with_torch():
    logits, bias, targets = drawn(rows=1030)
    assert choose(softmax_errors, (logits, bias, targets)) is not softmax_errors.reference
    for given in ((logits, bias.bfloat16()), (logits.double(), bias.double()), (logits[:9], bias)):
        chosen = choose(softmax_errors, (*given, targets[: len(given[0])]))
        assert chosen is softmax_errors.reference


def test_rows_that_begin_at_full_lines_keep_their_neighbours():
    wide = torch.randn(6, 16)
    before = wide.clone()
    with use_kernels("numba"):
        softmax_errors(wide[:, :11], torch.zeros(11), torch.zeros(6, dtype=torch.int64))
    assert wide[:, 11:].equal(before[:, 11:])
    assert not wide[:, :11].equal(before[:, :11])
