"""Every check of a cell catches what it is there for, and cells that keep their promises pass."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from planted_late import checks_that_catch
from torch import Tensor, nn

import seqlab
from seqlab.testing import Broken, Subject, cells, look_at, verify
from seqlab.testing.collection import checks_in


class Good(nn.Module):
    """What the planted ones are made from: h' = tanh(W x + U h)."""

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.output_size = 5
        self.inputs = nn.Linear(input_size, 5)
        self.recurrent = nn.Linear(5, 5)

    def step(self, x: Tensor, state: Tensor) -> Tensor:
        return torch.tanh(self.inputs(x) + self.recurrent(state))

    def forward(self, inputs, state):
        state = inputs.new_zeros(len(inputs), 5) if state is None else state
        outputs = []
        for x in inputs.unbind(1):
            state = self.step(x, state)
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
    def step(self, x, state):
        return super().step(x - x.mean(0), state)


class TakesTheStateOfTheFirstRow(Good):
    def step(self, x, state):
        return super().step(x, state[:1].expand_as(state))


class NormalisesTheBatch(Good):
    """In evaluation it has running statistics, which mix nothing."""

    def __init__(self, input_size):
        super().__init__(input_size)
        self.norm = nn.BatchNorm1d(5)

    def step(self, x, state):
        return self.norm(super().step(x, state))


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
    def step(self, x, state):
        return state.mul_(0.5).add_(torch.tanh(self.inputs(x)) * self.recurrent.weight.sum())


class ChangesItsInputs(Good):
    def forward(self, inputs, state):
        return super().forward(inputs.mul_(0.5), state)


class RemembersByItself(Good):
    def forward(self, inputs, state):
        outputs, state = super().forward(inputs, state)
        outputs = outputs + getattr(self, "last", 0)
        self.last = outputs[:1, -1:].detach().mean()
        return outputs, state


class RemembersInTraining(Good):
    kept = None

    def forward(self, inputs, state):
        state = self.kept if self.training and self.kept is not None else state
        outputs, state = super().forward(inputs, state)
        self.kept = state.detach() if self.training else None
        return outputs, state


class CountsItsCalls(Good):
    calls = 0

    def forward(self, inputs, state):
        self.calls += 1
        outputs, state = super().forward(inputs, state)
        return outputs * self.calls, state


class ById(Good):
    """What is right with ids too: a table of what W x is for each, made when it is asked for."""

    def table(self):
        return self.inputs.weight.t() + self.inputs.bias

    def from_ids(self, ids, state):
        table = self.table()
        state = table.new_zeros(len(ids), 5) if state is None else state
        outputs = []
        for token in ids.unbind(1):
            state = torch.tanh(table[token] + self.recurrent(state))
            outputs.append(state)
        return torch.stack(outputs, 1), state

    def id_stepper(self):
        table = self.table()

        def step(ids, state):
            after = torch.tanh(table[ids] + self.recurrent(state))
            return after, after

        return step


class SaysAnotherOutput(Good):
    def last_output(self, state):
        return state.tanh()


class FromIdsForgets(ById):
    def from_ids(self, ids, state):
        return super().from_ids(ids, None)


class FromIdsWithoutBias(ById):
    def from_ids(self, ids, state):
        outputs, state = super().from_ids(ids, state)
        return outputs - self.inputs.bias, state


class FromIdsWithoutGradients(ById):
    def table(self):
        return super().table().detach()


class FromIdsOnTheCpu(ById):
    def from_ids(self, ids, state):
        return super().from_ids(ids, torch.zeros(len(ids), 5) if state is None else state)


class StepsIdsOnTheCpu(ById):
    def id_stepper(self):
        step, scale = super().id_stepper(), torch.ones(5)
        return lambda ids, state: step(ids, state * scale)


class FromIdsInFloat32(ById):
    def from_ids(self, ids, state):
        outputs, state = super().from_ids(ids, state)
        return outputs.float(), state


class KeepsItsTable(ById):
    kept = None

    def table(self):
        self.kept = super().table().detach() if self.kept is None else self.kept
        return self.kept


class KeepsItsTableUntilAnOptimizerComes(ById):
    """An average of the weights is put in without another version."""

    kept = (-1, None)

    def table(self):
        version = self.inputs.weight._version
        if self.kept[0] != version:
            self.kept = version, super().table().detach()
        return self.kept[1]


class StepsIdsFromAFreshState(ById):
    def id_stepper(self):
        step = super().id_stepper()
        return lambda ids, state: step(ids, torch.zeros_like(state))


class StepsIdsOverAWindow(ById):
    """Gives (B, 1, O), as `from_ids` does."""

    def id_stepper(self):
        return lambda ids, state: self.from_ids(ids.unsqueeze(1), state)


class StepsInPlace(ById):
    """Gives what is right, but in the tensor that it was given."""

    def id_stepper(self):
        step = super().id_stepper()

        def in_place(ids, state):
            state.copy_(step(ids, state)[1])
            return state.clone(), state

        return in_place


class StepsInOneBuffer(ById):
    """Each step overwrites what the step before it gave."""

    def id_stepper(self):
        step, buffers = super().id_stepper(), {}

        def in_a_buffer(ids, state):
            buffer = buffers.setdefault(len(ids), torch.empty_like(state))
            buffer.copy_(step(ids, state)[1])
            return buffer.clone(), buffer

        return in_a_buffer


class SpoilsItsIds(ById):
    def id_stepper(self):
        step = super().id_stepper()

        def spoil(ids, state):
            result = step(ids, state)
            ids.zero_()
            return result

        return spoil


class Stepper(NamedTuple):
    """A step with what more it can do."""

    cell: nn.Module
    step: object
    vectors: object = None

    def __call__(self, ids, state):
        return self.step(ids, state)

    def over(self, vectors):
        return self._replace(vectors=vectors)

    def greedy(self, head, steps):
        return self.cell.take_greedily(head, self.vectors, steps)


class Walks(ById):
    """Takes its own steps, no more than five at once."""

    def id_stepper(self):
        return Stepper(self, super().id_stepper())

    def take_greedily(self, head, inputs, steps):
        def walk(ids, state, steps):
            chosen, scores = [ids], []
            for _ in range(min(steps, 5)):
                state = self.next_state(inputs, chosen[-1], state)
                nats = head(state).log_softmax(-1)
                chosen.append(self.choose(nats))
                scores.append(nats.gather(-1, chosen[-1][:, None])[:, 0])
            return torch.stack(chosen[1:], 1), torch.stack(scores, 1), state

        return walk

    def next_state(self, inputs, ids, state):
        vectors = nn.functional.one_hot(ids, 8).float() if inputs is None else inputs[ids]
        return torch.tanh(self.inputs(vectors) + self.recurrent(state))

    def choose(self, nats):
        return nats.argmax(-1)


class WalksToTheLeastProbable(Walks):
    def choose(self, nats):
        return nats.argmin(-1)


class WalksToTheLastOfEquals(Walks):
    def choose(self, nats):
        return nats.shape[-1] - 1 - nats.flip(-1).argmax(-1)


class WalksByOneHotsAlone(Walks):
    def next_state(self, inputs, ids, state):
        return super().next_state(None, ids, state)


class WalksOn(Walks):
    """Gives the state behind the last id, which will be read once more."""

    def take_greedily(self, head, inputs, steps):
        walk = super().take_greedily(head, inputs, steps)

        def on(ids, state, steps):
            chosen, scores, after = walk(ids, state, steps)
            return chosen, scores, self.next_state(inputs, chosen[:, -1], after)

        return on


class WalksWithoutScores(Walks):
    def take_greedily(self, head, inputs, steps):
        walk = super().take_greedily(head, inputs, steps)
        return lambda ids, state, steps: (walk(ids, state, steps)[0], torch.zeros(()), state)


class WalksTooFar(Walks):
    def take_greedily(self, head, inputs, steps):
        walk = super().take_greedily(head, inputs, steps)

        def too_far(ids, state, steps):
            chosen, scores, state = walk(ids, state, steps)
            return chosen.repeat(1, 99), scores.repeat(1, 99), state

        return too_far


class HasNoWalkToday(ById):
    def take_greedily(self, head, inputs, steps):
        return None


class DetachesItsState(Good):
    def step(self, x, state):
        return torch.tanh(self.inputs(x) + self.recurrent(state).detach())


class DetachesAll(Good):
    def step(self, x, state):
        return super().step(x, state).detach()


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
    def step(self, x, state):
        return super().step(RoundingGradient.apply(x), state)


class AlwaysFloat32(Good):
    def forward(self, inputs, state):
        state = torch.zeros(len(inputs), 5) if state is None else state
        return super().forward(inputs, state.float())


class MixesTypesUnderAutocast(Good):
    def step(self, x, state):
        return state.lerp(self.inputs(x), 0.5) + self.recurrent(state)


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

    def step(self, x, state):
        return super().step(x, state) * self.scale.to(x)


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


class SeedsTorch(Good):
    def __init__(self, input_size):
        torch.manual_seed(0)
        super().__init__(input_size)


class NoModule:
    output_size = 5

    def __init__(self, input_size):
        pass


CHECKS = {check.__name__: check for check in checks_in(cells)}
DEFECTS = [
    (WrongSize, "output_size_is_true"),
    (NoSize, "output_size_is_true"),
    (TimeFirst, "output_size_is_true"),
    (NoModule, "output_size_is_true"),
    (SqueezesOneRow, "one_row_and_one_token_are_enough"),
    (NeedsTwoTokens, "one_row_and_one_token_are_enough"),
    (NormalisesOverTheWindow, "window_equals_its_steps"),
    (ForgetsItsState, "window_equals_its_steps"),
    (GivesTheStateBefore, "two_windows_equal_a_long_one"),
    (NormalisesOverRows, "rows_do_not_mix"),
    (TakesTheStateOfTheFirstRow, "rows_do_not_mix"),
    (NormalisesTheBatch, "rows_do_not_mix"),
    (LooksAhead, "later_inputs_change_nothing_earlier"),
    (AttendsToAll, "later_inputs_change_nothing_earlier"),
    (LayersFirst, "state_has_the_batch_first"),
    (ListOfStates, "state_has_the_batch_first"),
    (GrowingState, "state_keeps_its_shapes"),
    (LearnsItsStart, "row_of_zeros_is_a_fresh_row"),
    (CountsTheFreshOnes, "row_of_zeros_is_a_fresh_row"),
    (NamesThePartsOfItsState, "state_survives_saving"),
    (ChangesItsState, "inputs_are_left_alone"),
    (ChangesItsInputs, "inputs_are_left_alone"),
    (StepsInPlace, "inputs_are_left_alone"),
    (StepsInOneBuffer, "inputs_are_left_alone"),
    (SpoilsItsIds, "inputs_are_left_alone"),
    (RemembersByItself, "nothing_is_remembered_outside_the_state"),
    (RemembersInTraining, "nothing_is_remembered_outside_the_state"),
    (CountsItsCalls, "nothing_is_remembered_outside_the_state"),
    (SaysAnotherOutput, "last_output_is_the_output"),
    (FromIdsForgets, "from_ids_equals_one_hots"),
    (FromIdsWithoutBias, "from_ids_equals_one_hots"),
    (FromIdsWithoutGradients, "from_ids_equals_one_hots"),
    (KeepsItsTable, "from_ids_equals_one_hots"),
    (KeepsItsTable, "id_stepper_equals_one_hots"),
    (KeepsItsTableUntilAnOptimizerComes, "id_stepper_equals_one_hots"),
    (StepsIdsFromAFreshState, "id_stepper_equals_one_hots"),
    (StepsIdsOverAWindow, "id_stepper_equals_one_hots"),
    (WalksToTheLeastProbable, "greedy_steps_equal_single_ones"),
    (WalksToTheLastOfEquals, "greedy_steps_equal_single_ones"),
    (WalksByOneHotsAlone, "greedy_steps_equal_single_ones"),
    (WalksOn, "greedy_steps_equal_single_ones"),
    (WalksWithoutScores, "greedy_steps_equal_single_ones"),
    (WalksTooFar, "greedy_steps_equal_single_ones"),
    (DetachesItsState, "gradients_reach_every_parameter"),
    (DetachesAll, "gradients_reach_every_parameter"),
    (HasAnUnusedWeight, "gradients_reach_every_parameter"),
    (WrongBackward, "gradients_are_right"),
    (AlwaysFloat32, "dtype_is_followed"),
    (FromIdsInFloat32, "dtype_is_followed"),
    (MixesTypesUnderAutocast, "dtype_is_followed"),
    (MakesTensorsOnTheCpu, "device_is_followed"),
    (FromIdsOnTheCpu, "device_is_followed"),
    (StepsIdsOnTheCpu, "device_is_followed"),
    (KeepsAWeightToItself, "weights_survive_saving"),
    (DrawsInEvaluation, "seed_decides_everything"),
    (OwnGenerator, "seed_decides_everything"),
    (SeedsTorch, "seed_decides_everything"),
]


@pytest.mark.parametrize(("bad", "check"), DEFECTS)
def test_a_planted_mistake_is_caught_by_its_check(bad, check):
    pattern = f"expected .*; seen: .*; why: docs/conformance.md#{check}"
    with pytest.raises(Broken, match=pattern):
        verify(CHECKS[check], Subject.of("cell", bad, {}))


@pytest.mark.parametrize(
    ("bad", "check", "message"),
    [
        (StepsIdsOverAWindow, "id_stepper_equals_one_hots", "the shape (1, 1, 5), not (1, 5)"),
        (NormalisesTheBatch, "rows_do_not_mix", "expected in training, row 0 among others"),
        (KeepsItsTable, "id_stepper_equals_one_hots", "after weights changed in place"),
        (WalksTooFar, "greedy_steps_equal_single_ones", "expected 1 to 300 steps; seen: 495"),
        (FromIdsWithoutGradients, "from_ids_equals_one_hots", "gradients for 'inputs.weight'"),
        (StepsInPlace, "inputs_are_left_alone", "left by `id_stepper` as they were given"),
        (DetachesAll, "gradients_reach_every_parameter", "none for inputs.weight, inputs.bias"),
        (WrongBackward, "gradients_are_right", "gradients that equal differences of values"),
        (SeedsTorch, "seed_decides_everything", "torch's seed to be left alone"),
        (FromIdsOnTheCpu, "device_is_followed", "tensors made on the inputs' device"),
    ],
)
def test_a_failure_says_what_it_is(bad, check, message):
    assert message in look_at(CHECKS[check], Subject.of("cell", bad, {})).message


def test_every_check_catches_something():
    caught = {check for _, check in DEFECTS} | checks_that_catch("cell")
    assert caught == set(CHECKS)


class WithoutParameters(nn.Module):
    """As in the pages of the documentation."""

    def __init__(self, input_size):
        super().__init__()
        self.output_size = input_size

    @seqlab.unroll
    def forward(self, inputs, state):
        return inputs, state


class DropsOut(ById):
    """In other places for its rows, and in others again through ids."""

    def forward(self, inputs, state):
        outputs, state = super().forward(inputs, state)
        return nn.functional.dropout(outputs, 0.5, self.training), state


class NormalisesItsWeights(Good):
    """Takes one step in training towards the norm, whatever its inputs are."""

    def __init__(self, input_size):
        super().__init__(input_size)
        nn.utils.parametrizations.spectral_norm(self.recurrent)


WALKS = {"greedy_steps_equal_single_ones"}
BY_IDS = {"from_ids_equals_one_hots", "id_stepper_equals_one_hots", *WALKS}


@pytest.mark.parametrize(
    ("good", "unasked"),
    [
        (Good, BY_IDS),
        (ById, WALKS),
        (Walks, set()),
        (HasNoWalkToday, WALKS),
        (WithoutParameters, {*BY_IDS, "gradients_reach_every_parameter"}),
        (DropsOut, WALKS),
        (NormalisesItsWeights, BY_IDS),
    ],
)
def test_a_cell_without_a_defect_keeps_every_promise(good, unasked):
    results = [look_at(check, Subject.of("cell", good, {})) for check in CHECKS.values()]
    assert not [r for r in results if r.verdict == "broken"]
    skipped = {r.check for r in results if r.verdict == "skipped"}
    assert skipped == unasked | {"last_output_is_the_output"}


class MovesWhatItMakes(Good):
    """What is made on the default device is moved, is a single number, or is an index."""

    def forward(self, inputs, state):
        if state is None:
            state = torch.zeros(len(inputs), 5).to(inputs)
        order = torch.arange(len(inputs))
        outputs, state = super().forward(inputs[order] * torch.tensor(0.5), state)
        return outputs * torch.ones(5).to(inputs.device, outputs.dtype), state


def test_what_is_made_on_the_default_device_may_be_moved(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = look_at(CHECKS["device_is_followed"], Subject.of("cell", MovesWhatItMakes, {}))
    assert result.verdict == "kept", result.message


class Chaotic(Good):
    """A rounding grows from step to step."""

    def step(self, x, state):
        return torch.sin(self.inputs(x) + 10 * state)


def test_thousands_of_steps_of_a_chaotic_cell_are_not_compared():
    check = CHECKS["thousands_of_tokens_equal_their_steps"]
    result = look_at(check, Subject.of("cell", Chaotic, {}))
    assert result.verdict == "skipped"
    assert "chaotic" in result.message


STEP_BY_STEP = {
    *("ind_rnn", "layer_norm_lstm", "mogrifier_lstm", "multiplicative_lstm", "peephole_lstm"),
    *("recurrent_highway", "sru"),
}
"""Cells without a faster form, which are checked with few numbers in their states."""


@pytest.mark.parametrize(
    "name", [c.name for c in seqlab.load_plugins(local=False).components("cell")]
)
def test_every_built_in_cell_keeps_every_promise(name, registry):
    options = {"hidden_size": 12} if name in STEP_BY_STEP else {}
    subject = Subject.of_component(registry.find("cell", name), options)
    broken = [r for check in CHECKS.values() if (r := look_at(check, subject)).verdict == "broken"]
    assert not broken
