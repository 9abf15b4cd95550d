"""The windows of `rnn`, `lstm` and `gru`: what no table of sizes shows."""

from __future__ import annotations

import sys

import pytest
import torch
from seqlab_plugins.cells.recurrent import GRU, LSTM, RNN
from torch.nn import functional

import seqlab
from seqlab.kernels import choose, condition, has_numba_and_blas, use_kernels

T, B, H = 6, 4, 16
CELLS = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
every_cell = pytest.mark.parametrize("name", CELLS)
needs_numba = pytest.mark.skipif(not has_numba_and_blas(), reason="an extra: seqlab[fast]")
fast = pytest.mark.parametrize("backend", ["reference", pytest.param("numba", marks=needs_numba)])


def draw(name, window=T, rows=B, hidden=H, dtype=torch.float32):
    """Inputs, the state before, the recurrent weight, and its bias."""
    generator = torch.Generator().manual_seed(1)
    gates = CELLS[name].gates * hidden
    shapes = [(window, rows, gates), (rows, hidden), (gates, hidden), (gates,), (rows, hidden)]
    x, h, weight, bias, c = (torch.randn(s, generator=generator).to(dtype) for s in shapes)
    parts = [x, h, c, weight / hidden**0.5, bias]
    return [p.requires_grad_() for p in parts if name == "lstm" or p is not c]


def outputs(name, given, backend):
    x, *state, weight, bias = given
    with use_kernels(backend):
        found, after = CELLS[name].window(x, tuple(state) if state[1:] else state[0], weight, bias)
    return [found, *(after if isinstance(after, tuple) else (after,))]


def results(name, given, backend):
    """Everything that comes out, and the gradients of a function of it."""
    found = outputs(name, given, backend)
    weights = torch.linspace(-1, 1, found[0].numel(), dtype=given[0].dtype)
    total = (found[0].flatten() * weights).sum() + sum(part.square().sum() for part in found)
    return [part.detach() for part in found], torch.autograd.grad(total, given)


@every_cell
@pytest.mark.parametrize("window", [1, 2, 5])
def test_gradients_are_differences_of_values(name, window):
    given = draw(name, window, rows=2, hidden=2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *parts: outputs(name, parts, "reference"), given)


@every_cell
@fast
def test_at_the_textbooks_size_float32_is_within_a_millionth(name, backend):
    """Of values; of gradients, which are sums over 1,120 tokens, within 1e-5 of the largest."""
    given = draw(name, 35, 32, 256)
    (values, grads), (plain, plain_grads) = (
        results(name, given, b) for b in (backend, "reference")
    )
    torch.testing.assert_close(values, plain, rtol=0, atol=4e-6)
    for grad, other in zip(grads, plain_grads, strict=True):
        assert (grad - other).abs().max() <= 1e-5 * other.abs().max()


@every_cell
@pytest.mark.parametrize("hidden", [64, 400])
def test_under_autocast_values_are_within_two_hundredths_and_stay_float32(name, hidden):
    given = draw(name, 35, 32, hidden)
    exact, exact_grads = results(name, given, "reference")
    with torch.autocast("cpu", torch.bfloat16):
        values, grads = results(name, given, "reference")
    assert {tensor.dtype for tensor in (*values, *grads)} == {torch.float32}
    torch.testing.assert_close(values, exact, rtol=0.02, atol=0.02)
    for grad, other in zip(grads, exact_grads, strict=True):
        assert (grad - other).abs().max() <= 0.03 * other.abs().max()


@every_cell
@fast
def test_what_is_given_is_left_alone(name, backend):
    given = draw(name)
    copies = [tensor.detach().clone() for tensor in given]
    results(name, given, backend)
    assert all(map(torch.equal, given, copies))


@every_cell
@fast
def test_a_part_that_nobody_differentiates_changes_nothing(name, backend):
    given = draw(name)
    expected = results(name, given, backend)[1][0]
    for tensor in given[1:]:
        tensor.requires_grad_(False)
    found = outputs(name, given, backend)
    weights = torch.linspace(-1, 1, found[0].numel())
    total = (found[0].flatten() * weights).sum() + sum(part.square().sum() for part in found)
    torch.testing.assert_close(torch.autograd.grad(total, given[0])[0], expected)


@every_cell
@fast
def test_what_is_not_a_number_stays_so_and_in_its_row(name, backend):
    given = draw(name)
    with torch.no_grad():
        given[0][2, 1] = torch.nan
        found, *_ = outputs(name, given, backend)
    assert found[2:, 1].isnan().all()
    assert found[:2, 1].isfinite().all()
    assert found[:, [0, 2, 3]].isfinite().all()


@every_cell
@fast
@pytest.mark.parametrize("size", [1e4, 3e38, torch.inf])
def test_gates_are_shut_and_open_where_inputs_are_large(name, size, backend):
    given = draw(name)
    with torch.no_grad():
        given[0].copy_(given[0].sign() * size)
        found, plain = (outputs(name, given, b) for b in (backend, "reference"))
    torch.testing.assert_close(found, plain, rtol=0, atol=2e-6, equal_nan=True)


@every_cell
@fast
def test_it_does_not_matter_how_what_is_given_lies_in_memory(name, backend):
    """Nor how the gradients that come lie there."""

    def transposed(tensor):
        return tensor.detach().transpose(-1, -2).contiguous().transpose(-1, -2).requires_grad_()

    def grads(given, backend, turn):
        sums = [turn(torch.cos(turn(part) * 3)).sum() for part in outputs(name, given, backend)]
        return torch.autograd.grad(sum(sums), given)

    given = draw(name)
    turned = [transposed(tensor) if tensor.dim() > 1 else tensor for tensor in given]
    plain = grads(given, "reference", lambda part: part)
    mirrored = grads(turned, backend, lambda part: part.transpose(0, -1).contiguous())
    torch.testing.assert_close(mirrored, plain, rtol=1e-5, atol=1e-5)


@every_cell
@fast
def test_a_window_of_no_rows_has_gradients(name, backend):
    _, grads = results(name, draw(name, rows=0), backend)
    assert all(grad.isfinite().all() for grad in grads)


@fast
def test_the_last_cell_state_alone_has_gradients(backend):
    given = draw("lstm")
    found, plain = (
        torch.autograd.grad(outputs("lstm", given, b)[2].sum(), given, allow_unused=True)
        for b in (backend, "reference")
    )
    for grad, other in zip(found, plain, strict=True):
        torch.testing.assert_close(grad, other, rtol=1e-5, atol=1e-5)


@fast
def test_states_of_inference_mode_are_gone_on_from(backend):
    given = [tensor.detach() for tensor in draw("gru")]
    plain = outputs("gru", given, "reference")
    with torch.inference_mode():
        inside = [tensor.clone() for tensor in given]
        torch.testing.assert_close(outputs("gru", inside, backend), plain, rtol=0, atol=2e-6)


@pytest.mark.parametrize("rows", [B // 2, 2 * B])
def test_a_state_of_other_rows_is_refused_as_torch_does(rows):
    x, state, weight, bias = draw("gru")
    with pytest.raises(RuntimeError, match="size"):
        GRU.window(x, state.detach().repeat(2, 1)[:rows], weight, bias)


def backend_of(name, *sizes, dtype=torch.float32):
    x, *state, weight, bias = (part.detach() for part in draw(name, *sizes, dtype=dtype))
    arguments = (x, tuple(state) if state[1:] else state[0], weight, bias)
    window = CELLS[name].window
    compute = choose(window, arguments)
    return next((b.name for b in window.backends if b.compute is compute), "reference")


@needs_numba
@every_cell
def test_the_textbooks_size_is_compiled_and_neither_small_ones_nor_float64(name):
    assert backend_of(name, 35, 32, 256) == "numba"
    assert backend_of(name) == "reference"
    assert backend_of(name, 35, 32, 256, dtype=torch.float64) == "reference"


def test_without_numba_the_reference_takes_the_steps(monkeypatch):
    seqlab.why_not_compiled.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)
    try:
        assert backend_of("gru", 35, 32, 256) == "reference"
        assert condition().endswith("there is no Numba; pip install 'seqlab[fast]'")
    finally:
        seqlab.why_not_compiled.cache_clear()


class Leaky(RNN):
    """One more recurrence: what it does is its step."""

    @staticmethod
    def step(x, state, weight, bias):
        return (state + torch.tanh(x + functional.linear(state, weight, bias))) / 2


def test_a_recurrence_that_inherits_has_its_own_step_everywhere():
    """Windows, layers and one step of it; the kernels are those of another recurrence."""
    torch.manual_seed(0)
    cell, ids = Leaky(7, hidden_size=3), torch.randint(7, (2, 5))
    assert not Leaky.window.backends
    found, after = cell.from_ids(ids, None)
    dense, _ = cell(functional.one_hot(ids, 7).float(), None)
    torch.testing.assert_close(found, dense)
    step, state = cell.id_stepper(), (torch.zeros(2, 3),)
    for t in range(5):
        output, state = step(ids[:, t], state)
        torch.testing.assert_close(output, found[:, t])
    torch.testing.assert_close(state, after)
    layer = cell.layers[0]
    h = x = functional.linear(
        functional.one_hot(ids[:, 0], 7).float(), layer.weight_ih_l0, layer.bias_ih_l0
    )
    h = torch.tanh(x + layer.bias_hh_l0) / 2
    torch.testing.assert_close(found[:, 0], h)
