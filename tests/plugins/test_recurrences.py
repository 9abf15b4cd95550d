"""A recurrence with its own backward is the step, taken one after another."""

from __future__ import annotations

import pytest
import torch
from seqlab_plugins.recurrences import elman, gated, long_short

from seqlab.model import products

T, B, H = 5, 3, 4


def stepped_elman(projected, state, weight):
    states = []
    for step in projected:
        state = (step + state @ weight.t()).tanh()
        states.append(state)
    return torch.stack(states)


def stepped_gated(projected, state, weight, bias):
    states = []
    for step in projected:
        reset_in, update_in, new_in = step.chunk(3, 1)
        reset, update, new = (state @ weight.t()).chunk(3, 1)
        update = (update_in + update).sigmoid()
        candidate = (new_in + (reset_in + reset).sigmoid() * (new + bias)).tanh()
        state = (1 - update) * candidate + update * state
        states.append(state)
    return torch.stack(states)


def stepped_long_short(projected, state, memory, weight):
    states = []
    for step in projected:
        into, forget, new, out = (step + state @ weight.t()).chunk(4, 1)
        memory = forget.sigmoid() * memory + into.sigmoid() * new.tanh()
        state = out.sigmoid() * memory.tanh()
        states.append(state)
    return torch.stack(states), memory


def flat_long_short(projected, state, memory, weight):
    return long_short(projected, (state, memory), weight)


CASES = {  # the function, its plain form, gates, parts of the state, whether it takes a bias
    "elman": (elman, stepped_elman, 1, 1, False),
    "gated": (gated, stepped_gated, 3, 1, True),
    "long_short": (flat_long_short, stepped_long_short, 4, 2, False),
}
every_recurrence = pytest.mark.parametrize("name", CASES)
windows = pytest.mark.parametrize("window", [1, 2, T])


def drawn(name, window=T, rows=B, hidden=H, dtype=torch.float64):
    _, _, gates, parts, biased = CASES[name]
    shapes = [(window, rows, gates * hidden), *[(rows, hidden)] * parts, (gates * hidden, hidden)]
    shapes += [(hidden,)] if biased else []
    generator = torch.Generator().manual_seed(1)
    given = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    given[1 + parts] /= hidden**0.5
    return [tensor.to(dtype).requires_grad_() for tensor in given]


def results(function, given):
    """Everything that comes out, and the gradients of a function of it."""
    found = function(*given)
    outputs = found if isinstance(found, tuple) else (found,)
    weights = torch.linspace(-1, 1, outputs[0].numel(), dtype=given[0].dtype)
    total = (outputs[0].flatten() * weights).sum() + sum(part.square().sum() for part in outputs)
    return list(outputs), torch.autograd.grad(total, given)


@every_recurrence
@windows
def test_values_and_gradients_are_those_of_the_steps(name, window):
    quick, plain, *_ = CASES[name]
    given = drawn(name, window)
    torch.testing.assert_close(results(quick, given), results(plain, given), rtol=0, atol=1e-12)


@every_recurrence
@windows
def test_gradients_are_differences_of_values(name, window):
    assert torch.autograd.gradcheck(CASES[name][0], drawn(name, window, rows=2, hidden=2))


@every_recurrence
def test_at_the_textbooks_size_float32_is_within_a_millionth(name):
    """Of values; of gradients, which are sums over 1,120 tokens, within 1e-5 of the largest."""
    quick, plain, *_ = CASES[name]
    given = drawn(name, 35, 32, 256, torch.float32)
    (values, gradients), (plain_values, plain_gradients) = (
        results(function, given) for function in (quick, plain)
    )
    torch.testing.assert_close(values, plain_values, rtol=0, atol=2e-6)
    for found, wanted in zip(gradients, plain_gradients, strict=True):
        assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max()


@every_recurrence
@pytest.mark.parametrize("smallest", [(0, 0), products.WORTH_FEWER_DIGITS])
def test_under_autocast_values_are_within_two_hundredths_and_stay_float32(
    name, smallest, monkeypatch
):
    monkeypatch.setattr(products, "WORTH_FEWER_DIGITS", smallest)
    quick, plain, *_ = CASES[name]
    given = drawn(name, 35, 32, 64, torch.float32)
    exact, exact_gradients = results(plain, given)
    with torch.autocast("cpu", torch.bfloat16):
        values, gradients = results(quick, given)
    assert {tensor.dtype for tensor in (*values, *gradients)} == {torch.float32}
    torch.testing.assert_close(values, exact, rtol=0, atol=0.02)
    for found, wanted in zip(gradients, exact_gradients, strict=True):
        assert (found - wanted).abs().max() <= 0.03 * wanted.abs().max()


@every_recurrence
def test_what_is_given_is_left_alone(name):
    given = drawn(name)
    copies = [tensor.detach().clone() for tensor in given]
    results(CASES[name][0], given)
    assert all(map(torch.equal, given, copies))


@every_recurrence
def test_a_part_that_nobody_differentiates_changes_nothing(name):
    given = drawn(name)
    wanted = results(CASES[name][0], given)[1][0]
    for tensor in given[1:]:
        tensor.requires_grad_(False)
    found = CASES[name][0](*given)
    outputs = found if isinstance(found, tuple) else (found,)
    weights = torch.linspace(-1, 1, outputs[0].numel(), dtype=torch.float64)
    total = (outputs[0].flatten() * weights).sum() + sum(p.square().sum() for p in outputs)
    torch.testing.assert_close(torch.autograd.grad(total, given[0])[0], wanted)
