"""Every check of a cell catches what it is there for, and cells that keep their promises pass."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

import seqlab
from seqlab.testing import Broken, Subject, cells, look_at, verify


class Good(nn.Module):
    """What the planted ones are made from: h' = tanh(W x + U h)."""

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.output_size = 5
        self.inputs = nn.Linear(input_size, 5)
        self.recurrent = nn.Linear(5, 5)

    def step(self, one: Tensor, state: Tensor) -> Tensor:
        return torch.tanh(self.inputs(one) + self.recurrent(state))

    def forward(self, inputs, state):
        state = inputs.new_zeros(len(inputs), 5) if state is None else state
        outputs = []
        for one in inputs.unbind(1):
            state = self.step(one, state)
            outputs.append(state)
        return torch.stack(outputs, 1), state


class WrongSize(Good):
    def __init__(self, input_size):
        super().__init__(input_size)
        self.output_size = 6


class NoSize(Good):
    def __init__(self, input_size):
        super().__init__(input_size)
        self.output_size = None


class TimeFirst(Good):
    def forward(self, inputs, state):
        outputs, state = super().forward(inputs, state)
        return outputs.transpose(0, 1), state


class SqueezesOneRow(Good):
    def forward(self, inputs, state):
        outputs, state = super().forward(inputs, state)
        return outputs.squeeze(0), state


class NeedsTwoTokens(Good):
    def forward(self, inputs, state):
        outputs, state = super().forward(inputs, state)
        return outputs + (inputs[:, 1:] - inputs[:, :-1])[:, 0].mean() * 0, state


class NormalisesOverTheWindow(Good):
    def forward(self, inputs, state):
        outputs, state = super().forward(inputs, state)
        return outputs / inputs.shape[1], state


class ForgetsItsState(Good):
    def forward(self, inputs, state):
        return super().forward(inputs, None)


class GivesTheStateBefore(Good):
    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        return outputs, outputs[:, -2] if inputs.shape[1] > 1 else after


class NormalisesOverRows(Good):
    def step(self, one, state):
        return super().step(one - one.mean(0), state)


class TakesTheStateOfTheFirstRow(Good):
    def step(self, one, state):
        return super().step(one, state[:1].expand_as(state))


class LooksAhead(Good):
    def forward(self, inputs, state):
        outputs, state = super().forward(inputs, state)
        return outputs + self.inputs(inputs.roll(-1, 1)), state


class AttendsToAll(Good):
    def forward(self, inputs, state):
        outputs, state = super().forward(inputs, state)
        return (outputs @ outputs.transpose(1, 2)).softmax(-1) @ outputs, state


class LayersFirst(nn.Module):
    """torch's own order: (layers, B, H)."""

    def __init__(self, input_size):
        super().__init__()
        self.output_size = 5
        self.rnn = nn.RNN(input_size, 5, num_layers=2, batch_first=True)

    def forward(self, inputs, state):
        return self.rnn(inputs, state)


class ListOfStates(Good):
    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, None if state is None else state[0])
        return outputs, [after]


class GrowingState(Good):
    """Keeps every output there ever was."""

    def forward(self, inputs, state):
        before = None if state is None else state[:, -1]
        outputs, _ = super().forward(inputs, before)
        return outputs, outputs if state is None else torch.cat((state, outputs), 1)


class LearnsItsStart(Good):
    def __init__(self, input_size):
        super().__init__(input_size)
        self.start = nn.Parameter(torch.ones(5))

    def forward(self, inputs, state):
        return super().forward(
            inputs, self.start.expand(len(inputs), 5) if state is None else state
        )


class CountsTheFreshOnes(Good):
    """A state of zeros is fresh only if all rows are zero."""

    def forward(self, inputs, state):
        fresh = state is None or not state.any()
        outputs, state = super().forward(inputs, state)
        return outputs + fresh, state


class Named(NamedTuple):
    hidden: Tensor


class NamesThePartsOfItsState(Good):
    """What is saved comes back as a tuple, without names."""

    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, None if state is None else state.hidden)
        return outputs, Named(after)


class ChangesItsState(Good):
    def step(self, one, state):
        return state.mul_(0.5).add_(torch.tanh(self.inputs(one)) * self.recurrent.weight.sum())


class ChangesItsInputs(Good):
    def forward(self, inputs, state):
        return super().forward(inputs.mul_(0.5), state)


class RemembersByItself(Good):
    def forward(self, inputs, state):
        outputs, state = super().forward(inputs, state)
        outputs = outputs + getattr(self, "last", 0)
        self.last = outputs[:1, -1:].detach().mean()
        return outputs, state


class CountsItsCalls(Good):
    calls = 0

    def forward(self, inputs, state):
        self.calls += 1
        outputs, state = super().forward(inputs, state)
        return outputs * self.calls, state


class FromIdsForgets(Good):
    def from_ids(self, ids, state):
        return self(nn.functional.one_hot(ids, self.inputs.in_features).float(), None)


class FromIdsWithoutBias(Good):
    def from_ids(self, ids, state):
        one_hots = nn.functional.one_hot(ids, self.inputs.in_features).float()
        outputs, state = self(one_hots, state)
        return outputs - self.inputs.bias, state


class StepsIdsFromAFreshState(Good):
    def id_stepper(self):
        def step(ids, state):
            one_hots = nn.functional.one_hot(ids, self.inputs.in_features).float()
            after = self.step(one_hots, torch.zeros_like(state))
            return after, after

        return step


class StepsIdsOverAWindow(Good):
    """Gives (B, 1, O), as `from_ids` does."""

    def id_stepper(self):
        def step(ids, state):
            one_hots = nn.functional.one_hot(ids, self.inputs.in_features).float()
            return self(one_hots.unsqueeze(1), state)

        return step


class DetachesItsState(Good):
    def step(self, one, state):
        return torch.tanh(self.inputs(one) + self.recurrent(state).detach())


class HasAnUnusedWeight(Good):
    def __init__(self, input_size):
        super().__init__(input_size)
        self.spare = nn.Linear(5, 5)


class RoundingGradient(torch.autograd.Function):
    """A backward that forgets a factor."""

    @staticmethod
    def forward(context, values):
        return values**2

    @staticmethod
    def backward(context, gradient):
        return gradient


class WrongBackward(Good):
    def step(self, one, state):
        return super().step(RoundingGradient.apply(one), state)


class AlwaysFloat32(Good):
    def forward(self, inputs, state):
        state = torch.zeros(len(inputs), 5) if state is None else state
        return super().forward(inputs, state.float())


class MixesTypesUnderAutocast(Good):
    def step(self, one, state):
        return state.lerp(self.inputs(one), 0.5) + self.recurrent(state)


class MakesTensorsOnTheCpu(Good):
    def forward(self, inputs, state):
        return super().forward(
            inputs, torch.zeros(len(inputs), 5).to(inputs.dtype) if state is None else state
        )


class KeepsAWeightToItself(Good):
    """A tensor that is no parameter and no buffer."""

    def __init__(self, input_size):
        super().__init__(input_size)
        self.scale = torch.randn(5)

    def step(self, one, state):
        return super().step(one, state) * self.scale.to(one)


class DrawsInEvaluation(Good):
    def forward(self, inputs, state):
        outputs, state = super().forward(inputs, state)
        return nn.functional.dropout(outputs, 0.5, training=True), state


class OwnGenerator(Good):
    """Chance that no seed decides."""

    def __init__(self, input_size):
        super().__init__(input_size)
        self.generator = torch.Generator()
        self.generator.seed()

    def forward(self, inputs, state):
        outputs, state = super().forward(inputs, state)
        noise = torch.rand(outputs.shape, generator=self.generator)
        return outputs + self.training * noise, state


class NoModule:
    output_size = 5

    def __init__(self, input_size):
        pass


DEFECTS = [
    (WrongSize, cells.output_size_is_true),
    (NoSize, cells.output_size_is_true),
    (TimeFirst, cells.output_size_is_true),
    (NoModule, cells.output_size_is_true),
    (SqueezesOneRow, cells.one_row_and_one_token_are_enough),
    (NeedsTwoTokens, cells.one_row_and_one_token_are_enough),
    (NormalisesOverTheWindow, cells.window_equals_its_steps),
    (ForgetsItsState, cells.window_equals_its_steps),
    (GivesTheStateBefore, cells.two_windows_equal_a_long_one),
    (NormalisesOverRows, cells.rows_do_not_mix),
    (TakesTheStateOfTheFirstRow, cells.rows_do_not_mix),
    (LooksAhead, cells.later_inputs_change_nothing_earlier),
    (AttendsToAll, cells.later_inputs_change_nothing_earlier),
    (LayersFirst, cells.state_has_the_batch_first),
    (ListOfStates, cells.state_has_the_batch_first),
    (GrowingState, cells.state_keeps_its_shapes),
    (LearnsItsStart, cells.row_of_zeros_is_a_fresh_row),
    (CountsTheFreshOnes, cells.row_of_zeros_is_a_fresh_row),
    (NamesThePartsOfItsState, cells.state_survives_saving),
    (ChangesItsState, cells.inputs_are_left_alone),
    (ChangesItsInputs, cells.inputs_are_left_alone),
    (RemembersByItself, cells.nothing_is_remembered_outside_the_state),
    (CountsItsCalls, cells.nothing_is_remembered_outside_the_state),
    (FromIdsForgets, cells.from_ids_equals_one_hots),
    (FromIdsWithoutBias, cells.from_ids_equals_one_hots),
    (StepsIdsFromAFreshState, cells.id_stepper_equals_one_hots),
    (StepsIdsOverAWindow, cells.id_stepper_equals_one_hots),
    (DetachesItsState, cells.gradients_reach_every_parameter),
    (HasAnUnusedWeight, cells.gradients_reach_every_parameter),
    (WrongBackward, cells.gradients_are_right),
    (AlwaysFloat32, cells.dtype_is_followed),
    (MixesTypesUnderAutocast, cells.dtype_is_followed),
    (MakesTensorsOnTheCpu, cells.device_is_followed),
    (KeepsAWeightToItself, cells.weights_survive_saving),
    (DrawsInEvaluation, cells.seed_decides_everything),
    (OwnGenerator, cells.seed_decides_everything),
]


@pytest.mark.parametrize(("bad", "check"), DEFECTS, ids=lambda v: v.__name__)
def test_a_planted_mistake_is_caught_by_its_check(bad, check):
    said = f"expected .*; seen: .*; why: docs/conformance.md#{check.__name__}"
    with pytest.raises(Broken, match=said):
        verify(check, Subject.of("cell", bad, {}))


def test_wrong_gradients_are_shown():
    with pytest.raises(Broken, match="expected gradients that equal differences of values"):
        cells.gradients_are_right(Subject.of("cell", WrongBackward, {}))


def test_every_check_catches_something():
    assert {check for _, check in DEFECTS} == set(cells.CHECKS)


def test_the_cell_that_the_planted_ones_are_made_from_keeps_every_promise():
    results = [look_at(check, Subject.of("cell", Good, {})) for check in cells.CHECKS]
    skipped = {r.check for r in results if r.verdict == "skipped"}
    assert skipped == {"from_ids_equals_one_hots", "id_stepper_equals_one_hots"}
    assert not [r for r in results if r.verdict == "broken"]


@pytest.mark.parametrize(
    "name", [c.name for c in seqlab.load_plugins(local=False).components("cell")]
)
def test_every_built_in_cell_keeps_every_promise(name, registry):
    subject = Subject.of_component(registry.find("cell", name), {})
    broken = [r for check in cells.CHECKS if (r := look_at(check, subject)).verdict == "broken"]
    assert not broken
