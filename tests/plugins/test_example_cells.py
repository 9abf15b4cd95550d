"""The example cells keep every promise of a cell."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call

import seqlab
from seqlab import ExperimentError, read_experiment
from seqlab.model.state import detach_state
from seqlab.registry import resolve
from seqlab.testing import check_cell

# Sizes that differ from each other, and a context shorter than most windows here.
CELLS = {
    "min_gru": {},
    "gated_linear_attention": {"heads": 2, "key_size": 3},
    "selective_state_space": {"state_size": 3, "filter_size": 4},
    "causal_attention": {"heads": 2, "context": 6},
}
B, T, I, O = 3, 21, 5, 8  # noqa: E741 # the letters of the promises

every_cell = pytest.mark.parametrize("name", CELLS)


@pytest.fixture
def make(registry):
    """Build a cell as an experiment does."""

    def make(name, *, dtype=torch.float32, seed=0, **options):
        torch.manual_seed(seed)
        factory = registry.find("cell", name).factory
        return factory(I, hidden_size=O, **CELLS[name] | options).to(dtype)

    return make


def inputs(rows=B, window=T, *, seed=1, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, window, I, generator=generator, dtype=torch.float64).to(dtype)


def tensors(state):
    return [state] if isinstance(state, torch.Tensor) else list(state)


def forms(state):
    return [(tensor.shape, tensor.dtype) for tensor in tensors(state)]


def carried(cell, rows=B):
    """A state that is not fresh, as the loop carries it."""
    return detach_state(cell(inputs(rows, 9, seed=2), None)[1], torch.float32)


def in_windows(cell, whole, state, *lengths):
    outputs = []
    for window in whole.split(lengths, 1):
        output, state = cell(window, state)
        outputs.append(output)
    return torch.cat(outputs, 1), state


def assert_same(ours, theirs, atol=1e-5):
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=atol)
    torch.testing.assert_close(tensors(ours[1]), tensors(theirs[1]), rtol=0, atol=atol)


@every_cell
def test_other_sizes_than_the_defaults_keep_every_promise(registry, name):
    check_cell(registry.find("cell", name).factory, hidden_size=O, **CELLS[name])


@every_cell
@pytest.mark.parametrize("window", [1, 8, T, 512])
def test_a_window_equals_its_steps(make, name, window):
    cell, whole = make(name), inputs(window=window)
    for before in (None, carried(cell)):
        assert_same(cell(whole, before), in_windows(cell, whole, before, *[1] * window))


@every_cell
@pytest.mark.parametrize("lengths", [(1, T - 1), (T - 1, 1), (4, 9, 8), (2, 3, 2, 14)])
def test_windows_that_carry_the_state_equal_a_long_one(make, name, lengths):
    cell = make(name)
    assert_same(in_windows(cell, inputs(), None, *lengths), cell(inputs(), None))


@every_cell
@pytest.mark.parametrize("window", [1, 10])
def test_gradients_are_those_of_differences_of_values(make, name, window):
    cell = make(name, dtype=torch.float64)
    names, weights = zip(*cell.named_parameters(), strict=True)
    state = cell(inputs(2, 4, dtype=torch.float64), None)[1]
    floating = [t.detach().requires_grad_() for t in tensors(state) if t.is_floating_point()]
    counts = [t for t in tensors(state) if not t.is_floating_point()]

    def values(given, *arguments):
        before = (*arguments[: len(floating)], *counts)
        before = before if isinstance(state, tuple) else before[0]
        parameters = dict(zip(names, arguments[len(floating) :], strict=True))
        outputs, after = functional_call(cell, parameters, (given, before))
        return outputs, *(t for t in tensors(after) if t.is_floating_point())

    given = inputs(2, window, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(values, (given, *floating, *weights), fast_mode=True)


@every_cell
def test_autocast_to_bfloat16_keeps_the_state_in_float32(make, name):
    cell = make(name)
    for before in (None, carried(cell)):
        exact, state = cell(inputs(), before)
        with torch.autocast("cpu", torch.bfloat16):
            outputs, after = cell(inputs().bfloat16(), before)
        assert forms(after) == forms(state)
        torch.testing.assert_close(outputs.float(), exact, rtol=0.1, atol=0.1)


@every_cell
def test_two_with_norms_and_residuals_learn(tiny, name):
    stack = {"embedding": 16, "layers": 2, "residual": True, "norm": "rms"}
    cell = {"name": name, "hidden_size": 16}
    run = seqlab.run(tiny | {"model": stack, "cell": cell, "train": {"epochs": 3}})
    assert run.metrics[-1]["loss"] < run.metrics[0]["loss"] / 2


@pytest.mark.parametrize("name", ["gated_linear_attention", "causal_attention"])
def test_heads_that_do_not_divide_the_size_are_refused(tiny, name):
    cell = {"name": name, "hidden_size": 16, "heads": 3}
    with pytest.raises(ExperimentError, match=r"hidden_size \(16\) should be divisible by .*\(3\)"):
        seqlab.run(tiny | {"cell": cell})


@every_cell
def test_a_size_of_zero_is_refused(registry, tiny, name):
    for option in ("hidden_size", *CELLS[name]):
        with pytest.raises(ExperimentError, match=rf"cell\.{option}: should be greater than"):
            resolve(read_experiment(tiny | {"cell": {"name": name, option: 0}}), registry)


def test_min_gru_remembers_as_long_under_autocast(registry):
    """Its decays are near 1 there, where bfloat16 has steps of 1 / 256."""
    torch.manual_seed(0)
    cell = registry.find("cell", "min_gru").factory(16, hidden_size=16)
    cell.project.bias.data[:16] -= 4
    inputs = torch.randn(4, 512, 16)
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            outputs, _ = cell(inputs, None)
        expected, _ = cell.double()(inputs.double(), None)
    assert outputs.dtype == torch.float32
    assert (outputs - expected).abs().mean() < 3e-3 * expected.abs().mean()
