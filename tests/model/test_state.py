"""What may be done to any state without knowing what it is."""

from __future__ import annotations

import pytest
import torch

from seqlab import select_rows
from seqlab.errors import PluginError
from seqlab.model.state import as_bool, carry, checked_result, detach_state, map_state, zero_state

FIRST_ONLY = torch.tensor([True, False])


def nested():
    """Two rows: a matrix a row, and a tuple of a vector and a counter a row."""
    return torch.ones(2, 3, 4), (torch.full((2, 5), 2.0), torch.tensor([7, 8]))


def tensors(state):
    return [state] if isinstance(state, torch.Tensor) else [t for p in state for t in tensors(p)]


def test_a_function_reaches_every_tensor_and_the_shape_of_the_tree_stays():
    doubled = map_state(lambda tensor: tensor * 2, nested())
    assert doubled[1][1].tolist() == [14, 16]
    assert isinstance(doubled[1], tuple)


def test_a_settled_state_has_no_history():
    with_history = map_state(lambda t: t.float().requires_grad_() * 2, nested())
    detached = detach_state(with_history, torch.float32)
    assert not any(tensor.requires_grad for tensor in tensors(detached))


def test_what_is_no_integer_takes_the_dtype_of_the_parameters_and_integers_stay():
    matrix, (vector, counter) = detach_state(nested(), torch.bfloat16)
    assert (matrix.dtype, vector.dtype, counter.dtype) == (torch.bfloat16,) * 2 + (torch.int64,)


def test_rows_are_reordered_and_repeated_in_every_tensor():
    matrix, (vector, counter) = select_rows(nested(), torch.tensor([1, 0, 1]))
    assert counter.tolist() == [8, 7, 8]
    assert (matrix.shape, vector.shape) == ((3, 3, 4), (3, 5))


def test_rows_that_do_not_continue_become_zeros_and_the_others_stay():
    matrix, (vector, counter) = carry(nested(), FIRST_ONLY)
    assert matrix[0].equal(torch.ones(3, 4))
    assert not matrix[1].any()
    assert vector[:, 0].tolist() == [2, 0]
    assert counter.tolist() == [7, 0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_fresh_row_keeps_nothing_of_what_is_not_a_number(bad):
    assert carry(torch.full((2, 3), bad), FIRST_ONLY)[1].tolist() == [0, 0, 0]


def test_integers_stay_integers():
    assert carry(nested(), FIRST_ONLY)[1][1].dtype == torch.int64


def test_where_nothing_continues_there_is_no_state():
    assert carry(nested(), torch.tensor([False, False])) is None
    assert carry(None, FIRST_ONLY) is None


def test_rows_that_agree_are_one_answer_and_others_stay_rows():
    assert as_bool(torch.tensor([True, True])) is True
    assert as_bool(torch.tensor([False, False])) is False
    assert as_bool(FIRST_ONLY) is FIRST_ONLY
    before = nested()
    assert carry(before, True) is before
    assert carry(before, False) is None


def test_where_all_continue_the_values_are_the_same():
    before, after = nested(), carry(nested(), torch.tensor([True, True]))
    assert all(map(torch.equal, tensors(before), tensors(after)))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((4,), [(2, 4)]), ((), [(2,)]), (((4,), (3, 3)), [(2, 4), (2, 3, 3)]), (((),), [(2,)])],
)
def test_a_fresh_state_has_the_declared_shape_and_the_rows_first(shape, expected):
    fresh = zero_state(shape, 2, torch.ones(1, dtype=torch.float64))
    assert [tuple(tensor.shape) for tensor in tensors(fresh)] == expected
    assert all(t.dtype == torch.float64 and not t.any() for t in tensors(fresh))


@pytest.mark.parametrize(
    ("bad", "name"), [({"h": torch.ones(2)}, "dict"), ([torch.ones(2)], "list"), (None, "None")]
)
def test_what_is_no_state_is_refused_by_its_type_wherever_it_lies(bad, name):
    for state in (bad, (torch.ones(2), (bad,))):
        with pytest.raises(TypeError, match=f"a nested tuple of tensors, not {name}"):
            select_rows(state, torch.tensor([0]))


@pytest.mark.parametrize(
    ("returned", "types"),
    [
        (torch.ones(2, 3), "Tensor"),
        (None, "None"),
        ((torch.ones(2, 3), None), r"\(Tensor, None\)"),
        ((torch.ones(2, 3), {"h": 1}), r"\(Tensor, dict\)"),
        ((torch.ones(2, 3), (torch.ones(2), [])), r"\(Tensor, \(Tensor, list\)\)"),
        ((torch.ones(2),) * 3, r"\(Tensor, Tensor, Tensor\)"),
    ],
)
def test_what_is_not_outputs_and_a_state_is_refused_with_the_cells_class(returned, types):
    match = rf"cell Linear: `forward` should return \(outputs, state\), .* returned {types}$"
    with pytest.raises(PluginError, match=match):
        checked_result(returned, torch.nn.Linear(1, 1), "forward", (2, 3))


@pytest.mark.parametrize("shape", [(3, 2), (2, 3, 1), (2,)])
def test_outputs_of_another_shape_are_refused_with_the_one_that_they_should_have(shape):
    with pytest.raises(PluginError, match=r"`forward` should .* the shape \(2, 3\), .* they have"):
        checked_result((torch.ones(shape), torch.ones(2)), torch.nn.Linear(1, 1), "forward", (2, 3))


@pytest.mark.parametrize("state", [torch.ones(1, 2, 3), (torch.ones(2), (torch.ones(()),))])
def test_a_state_that_does_not_have_its_rows_first_is_refused_with_its_shapes(state):
    with pytest.raises(PluginError, match="the 2 rows of the batch first; their shapes are"):
        checked_result((torch.ones(2, 3), state), torch.nn.Linear(1, 1), "forward", (2, 3))


@pytest.mark.parametrize("shape", [4, [4], "4", (4, (4,))])
def test_what_is_no_shape_of_a_state_is_refused_by_its_value(shape):
    with pytest.raises(TypeError, match="state_shape should be a tuple of sizes"):
        zero_state(shape, 2, torch.ones(1))
