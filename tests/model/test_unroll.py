"""One step, written as in a paper, becomes a cell that takes windows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seqlab import unroll
from seqlab.errors import PluginError

INPUTS = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))


class Leaky(nn.Module):
    """A cell as its author writes it: half of the state stays, inputs are added."""

    def __init__(self, input_size):
        super().__init__()
        self.output_size = input_size

    def step(self, inputs, state):
        state = state / 2 + inputs
        return state.tanh(), state

    forward = unroll(step)


class Counter(Leaky):
    """Says how many steps each row has taken: one number a row."""

    state_shape = ()

    @unroll
    def forward(self, inputs, state):
        return torch.zeros_like(inputs) + state[:, None], state + 1


class Pair(Leaky):
    """Keeps a vector and a matrix."""

    state_shape = ((3,), (3, 3))

    @unroll
    def forward(self, inputs, state):
        total, outer = state
        outer = outer + inputs[:, :, None] * inputs[:, None, :]
        return total, (total + inputs, outer)


def by_hand(inputs):
    """Leaky, one step after another."""
    state, outputs = torch.zeros(2, 3), []
    for time in range(inputs.shape[1]):
        state = state / 2 + inputs[:, time]
        outputs.append(state.tanh())
    return torch.stack(outputs, 1), state


def test_a_window_is_its_steps_one_after_another():
    outputs, state = Leaky(3)(INPUTS, None)
    expected, last = by_hand(INPUTS)
    assert outputs.equal(expected)
    assert state.equal(last)


def test_two_windows_that_carry_the_state_are_one():
    cell = Leaky(3)
    first, state = cell(INPUTS[:, :4], None)
    second, _ = cell(INPUTS[:, 4:], state)
    assert torch.cat((first, second), 1).equal(cell(INPUTS, None)[0])


@pytest.mark.parametrize(
    ("cell", "zeros"),
    [
        (Leaky(3), torch.zeros(2, 3)),
        (Pair(3), (torch.zeros(2, 3), torch.zeros(2, 3, 3))),
        (Counter(3), torch.zeros(2)),
    ],
)
def test_a_fresh_state_is_zeros_of_the_declared_shape(cell, zeros):
    assert cell(INPUTS, zeros)[0].equal(cell(INPUTS, None)[0])


def test_a_state_has_the_size_of_the_outputs_unless_declared():
    assert Leaky(3)(INPUTS, None)[1].shape == (2, 3)


def test_a_declared_state_may_be_a_tuple():
    outputs, (total, outer) = Pair(3)(INPUTS, None)
    torch.testing.assert_close(total, INPUTS.sum(1))
    assert outer.shape == (2, 3, 3)
    assert not outputs[:, 0].any()


def test_a_declared_state_may_be_one_number_a_row():
    outputs, state = Counter(3)(INPUTS, None)
    assert state.tolist() == [6, 6]
    assert outputs[0, :, 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_a_carried_state_may_be_of_integers():
    _, state = Counter(3)(INPUTS, torch.tensor([5, 0]))
    assert state.tolist() == [11, 6]
    assert state.dtype == torch.int64


def test_a_fresh_state_has_the_precision_of_the_inputs():
    assert Leaky(3)(INPUTS.double(), None)[1].dtype == torch.float64


def test_gradients_flow_through_all_steps():
    inputs = INPUTS.clone().requires_grad_()
    Leaky(3)(inputs, None)[0][:, -1].sum().backward()
    assert (inputs.grad != 0).all()


def test_the_step_keeps_its_name_and_text():
    assert unroll(Leaky.step).__name__ == "step"


class OutputsAlone(Leaky):
    """Forgets to return the state; for two rows that would unpack."""

    @unroll
    def forward(self, inputs, state):
        return inputs + state


def test_a_step_that_forgets_the_state_is_told_with_its_class():
    with pytest.raises(PluginError, match=r"cell OutputsAlone: `forward` .* it returned Tensor"):
        OutputsAlone(3)(INPUTS, None)


def test_a_state_shape_that_is_no_tuple_is_refused_by_its_value():
    cell = Leaky(3)
    cell.state_shape = 3
    with pytest.raises(TypeError, match=r"state_shape .* it is 3"):
        cell(INPUTS, None)
