"""The loss from a few logits at a time is the loss from all of them, in values and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seqlab.training.loss import head_loss, head_scores, token_nats

B, T, O, V = 3, 7, 5, 11  # noqa: E741 # the letters of the docs

chunked = pytest.mark.parametrize("vocabulary", [V, 20_000], ids=["one chunk", "three chunks"])


def drawn(dtype=torch.float64, scale=1.0, vocabulary=V):
    """A head, what it is applied to, targets, and shares that sum to one."""
    torch.manual_seed(0)
    head, window = nn.Linear(O, vocabulary).to(dtype), T if vocabulary == V else 100
    hidden = (torch.randn(B, window, O) * scale).to(dtype).requires_grad_()
    weights = torch.rand(B, window) * (torch.rand(B, window) > 0.3)
    return head, hidden, torch.randint(vocabulary, (B, window)), weights / weights.sum()


def gradients(loss, head, hidden):
    return torch.autograd.grad(loss * 3, [hidden, head.weight, head.bias])


def whole(head, hidden, targets, shares):
    """The plain way: all logits, torch's cross entropy."""
    nats = token_nats(head(hidden), targets)
    return (nats * shares).sum(), nats


@chunked
@pytest.mark.parametrize("weighted", [True, False])
def test_loss_nats_and_gradients_are_those_of_whole_logits(vocabulary, weighted):
    head, hidden, targets, shares = drawn(vocabulary=vocabulary)
    shares = shares if weighted else 1 / targets.numel()
    found, wanted = (f(head, hidden, targets, shares) for f in (head_loss, whole))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    torch.testing.assert_close(
        gradients(found[0], head, hidden), gradients(wanted[0], head, hidden), rtol=0, atol=1e-12
    )


def test_in_float32_nothing_differs_by_more_than_a_millionth():
    head, hidden, targets, shares = drawn(torch.float32, scale=5.0)
    found, wanted = (f(head, hidden, targets, shares) for f in (head_loss, whole))
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)
    both = (gradients(one[0], head, hidden) for one in (found, wanted))
    torch.testing.assert_close(*both, rtol=0, atol=1e-6)


def test_in_bfloat16_it_is_as_close_to_exact_numbers_as_whole_logits_are():
    """Both are rounded to 8 bits; the bound is two hundredths of the largest gradient."""
    head, hidden, targets, shares = drawn(torch.float32)
    exact = gradients(whole(head, hidden, targets, shares)[0], head, hidden)
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = head_loss(head, hidden, targets, shares)
    for found, wanted in zip(gradients(loss, head, hidden), exact, strict=True):
        assert found.dtype == torch.float32
        assert (found - wanted).abs().max() < 0.02 * wanted.abs().max()


def test_in_bfloat16_weighted_errors_are_summed_in_float32_for_the_bias():
    """Of a hidden of zeros every product is exact, so all that is rounded is the sum."""
    head, hidden, targets, shares = drawn(torch.float32)
    nothing = torch.zeros_like(hidden).requires_grad_()
    exact = gradients(whole(head, nothing, targets, shares)[0], head, nothing)[2]
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = head_loss(head, nothing, targets, shares)
    found = gradients(loss, head, nothing)[2]
    torch.testing.assert_close(found, exact, rtol=1e-5, atol=1e-6)


def test_a_very_unlikely_target_costs_what_it_should():
    head, hidden, targets, _ = drawn(torch.float32)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()[targets[0, 0]] = -500.0
    _, nats = head_loss(head, hidden, targets, 1.0)
    torch.testing.assert_close(nats, whole(head, hidden, targets, 1.0)[1])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_a_number_makes_the_loss_none(bad):
    head, hidden, targets, shares = drawn()
    with torch.no_grad():
        hidden[0, 0, 0] = bad
    assert not head_loss(head, hidden, targets, shares)[0].isfinite()


def test_without_gradients_the_loss_is_the_same_and_has_none():
    head, hidden, targets, shares = drawn()
    with torch.no_grad():
        found = head_loss(head, hidden, targets, shares)
    torch.testing.assert_close(found, whole(head, hidden, targets, shares))
    assert not found[0].requires_grad


def test_a_second_backward_is_refused_rather_than_wrong():
    head, hidden, targets, shares = drawn()
    loss, _ = head_loss(head, hidden, targets, shares)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@chunked
def test_scores_are_those_of_whole_logits(vocabulary):
    head, hidden, targets, _ = drawn(vocabulary=vocabulary)
    nats, right = head_scores(head, hidden, targets)
    torch.testing.assert_close(nats, whole(head, hidden, targets, 1.0)[1])
    assert right.equal(head(hidden).argmax(-1) == targets)
