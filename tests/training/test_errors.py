"""What a compiled loop makes of logits is what torch's operations make of them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import seqlab
from seqlab.training import errors as module
from seqlab.training.loss import head_loss

N, V = 40, 1027
needs_numba = pytest.mark.skipif(bool(seqlab.why_not_compiled()), reason="an extra: seqlab[fast]")
pytestmark = needs_numba


@pytest.fixture(params=[1, 2], ids=["one core", "two cores"])
def both(request, monkeypatch):
    """What is found with a compiled loop, and without."""
    torch.set_num_threads(request.param)

    def both(logits, bias, targets):
        found = []
        for compiled_from in (0, 2**60):
            monkeypatch.setattr(module, "COMPILED_FROM", compiled_from)
            found.append(module.errors(logits.clone(), bias, targets))
        return found

    yield both
    torch.set_num_threads(1)


def drawn(scale=3.0, rows=N, columns=V):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, columns, generator=generator) * scale
    bias = torch.randn(columns, generator=generator)
    return logits, bias, torch.randint(columns, (rows,), generator=generator)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 2), (5, 16), (N, V)])
def test_nats_errors_and_sums_are_the_same(both, rows, columns):
    found, wanted = both(*drawn(rows=rows, columns=columns))
    torch.testing.assert_close(found, wanted, rtol=2e-6, atol=2e-6)


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


def test_loss_and_gradients_of_a_head_are_the_same(monkeypatch):
    torch.manual_seed(0)
    head, hidden = nn.Linear(24, V), torch.randn(4, 10, 24, requires_grad=True)
    targets, shares = torch.randint(V, (4, 10)), torch.rand(4, 10)

    def found(compiled_from):
        monkeypatch.setattr(module, "COMPILED_FROM", compiled_from)
        loss, nats = head_loss(head, hidden, targets, shares)
        gradients = torch.autograd.grad(loss, [hidden, head.weight, head.bias])
        return loss.detach(), nats, *gradients

    torch.testing.assert_close(found(0), found(2**60), rtol=2e-6, atol=2e-6)


def test_a_window_of_one_token_can_be_learnt(monkeypatch):
    monkeypatch.setattr(module, "COMPILED_FROM", 0)
    targets = torch.randint(V, (30, 2))[:, 1:]  # every second number in memory
    head, hidden = nn.Linear(24, V), torch.randn(30, 1, 24, requires_grad=True)
    loss, _ = head_loss(head, hidden, targets, 1 / 30)
    wanted = nn.functional.cross_entropy(head(hidden).flatten(0, 1), targets.flatten())
    torch.testing.assert_close(loss, wanted)


def test_a_head_in_fewer_digits_is_left_to_torch(monkeypatch):
    monkeypatch.setattr(module, "_by_a_loop", None)
    logits, bias, targets = drawn(rows=1030)
    module.errors(logits, bias.bfloat16(), targets)


def test_neither_few_logits_nor_float64_are_left_to_a_loop(monkeypatch):
    monkeypatch.setattr(module, "_by_a_loop", None)
    few, bias, targets = drawn()
    module.errors(few, bias, targets)
    many = torch.zeros(1030, 1030, dtype=torch.float64)
    module.errors(many, many[0].clone(), torch.zeros(1030, dtype=torch.int64))
