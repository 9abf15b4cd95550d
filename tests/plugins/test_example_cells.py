"""The example cells keep every promise of a cell."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call

import seqlab
from seqlab import ExperimentError, map_state, read_experiment, select_rows
from seqlab.model.state import carry, detach_state
from seqlab.registry import resolve

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
def test_one_row_and_one_token_are_enough(make, name):
    cell = make(name)
    outputs, state = cell(inputs(1, 1), None)
    assert outputs.shape == (1, 1, cell.output_size) == (1, 1, O)
    assert cell(inputs(1, 1), state)[0].shape == (1, 1, O)


@every_cell
def test_rows_know_nothing_of_each_other(make, name):
    cell, order = make(name), torch.tensor([2, 0])
    state = carried(cell)
    alone = cell(inputs()[order], select_rows(state, order))
    outputs, after = cell(inputs(), state)
    assert_same(alone, (outputs[order], select_rows(after, order)))


@every_cell
def test_a_later_input_changes_nothing_earlier(make, name):
    cell = make(name)
    whole, state = cell(inputs(), None)[0], carried(cell)
    for place in range(1, T):
        changed = torch.cat((inputs()[:, :place], inputs(seed=3)[:, place:]), 1)
        torch.testing.assert_close(cell(changed, None)[0][:, :place], whole[:, :place])
        assert not cell(changed, state)[0][:, place].allclose(cell(inputs(), state)[0][:, place])


@every_cell
def test_a_state_has_the_batch_first_and_one_form_after_any_window(make, name):
    cell, state = make(name), None
    seen = set()
    for window in (1, 2, T, 1):
        state = cell(inputs(window=window), state)[1]
        seen.add(str(forms(state)))
    assert len(seen) == 1
    assert {len(tensor) for tensor in tensors(state)} == {B}


@every_cell
@pytest.mark.parametrize("row", range(B))
def test_a_row_of_zeros_among_others_is_a_fresh_row(make, name, row):
    cell = make(name)
    mixed = cell(inputs(), carry(carried(cell), torch.arange(B) != row))
    fresh, old = cell(inputs(), None), cell(inputs(), carried(cell))
    for other in range(B):
        wanted = fresh if other == row else old
        index = torch.tensor([other])
        assert_same(
            (mixed[0][index], select_rows(mixed[1], index)),
            (wanted[0][index], select_rows(wanted[1], index)),
        )


@every_cell
def test_inputs_and_state_are_left_alone(make, name):
    cell, given = make(name), inputs()
    state = carried(cell)
    before = map_state(torch.clone, state)
    cell(given, state)
    assert_same((given, state), (inputs(), before), atol=0)


@every_cell
def test_nothing_is_remembered_outside_the_state(make, name):
    cell = make(name)
    first = cell(inputs(), None)
    cell(inputs(seed=3), first[1])
    assert_same(cell(inputs(), None), first, atol=0)


@every_cell
@pytest.mark.parametrize("window", [1, 10])
def test_gradients_are_those_of_differences_of_values(make, name, window):
    cell = make(name, dtype=torch.float64)
    names, weights = zip(*cell.named_parameters(), strict=True)
    state = cell(inputs(2, 4, dtype=torch.float64), None)[1]
    floating = [t.detach().requires_grad_() for t in tensors(state) if t.is_floating_point()]
    counts = [t for t in tensors(state) if not t.is_floating_point()]

    def values(given, *others):
        before = (*others[: len(floating)], *counts)
        before = before if isinstance(state, tuple) else before[0]
        parameters = dict(zip(names, others[len(floating) :], strict=True))
        outputs, after = functional_call(cell, parameters, (given, before))
        return outputs, *(t for t in tensors(after) if t.is_floating_point())

    given = inputs(2, window, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(values, (given, *floating, *weights), fast_mode=True)


@every_cell
def test_every_parameter_has_a_gradient_after_two_windows(make, name):
    cell = make(name)
    first, state = cell(inputs(), None)
    second, _ = cell(inputs(seed=2), state)
    (first.square().sum() + second.square().sum()).backward()
    assert not [n for n, p in cell.named_parameters() if p.grad is None or not p.grad.any()]


@every_cell
def test_float64_is_followed(make, name):
    outputs, state = make(name, dtype=torch.float64)(inputs(dtype=torch.float64), None)
    kinds = {t.dtype for t in (outputs, *tensors(state)) if t.is_floating_point()}
    assert kinds == {torch.float64}


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
def test_tensors_are_made_on_the_device_of_the_inputs(make, name):
    cell, given = make(name).to("meta"), inputs().to("meta")
    outputs, state = cell(given, cell(given, None)[1])
    assert {t.device.type for t in (outputs, *tensors(state))} == {"meta"}


@every_cell
def test_the_seed_decides_everything(make, name):
    for mode in ("train", "eval"):
        one, same, other = (getattr(make(name, seed=s), mode)() for s in (0, 0, 1))
        assert_same(one(inputs(), None), same(inputs(), None), atol=0)
        assert not one(inputs(), None)[0].allclose(other(inputs(), None)[0])


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
            found, _ = cell(inputs, None)
        wanted, _ = cell.double()(inputs.double(), None)
    assert found.dtype == torch.float32
    assert (found - wanted).abs().mean() < 3e-3 * wanted.abs().mean()
