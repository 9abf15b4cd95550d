"""What a cell promises. Shapes: B rows, T window, I input size, O output size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from seqlab.model.state import carry, map_state, select_rows
from seqlab.packing import pack, unpack
from seqlab.testing.cell_inputs import (
    ROWS,
    SIZE,
    WINDOW,
    Result,
    alike,
    build_cell,
    carried,
    draw_inputs,
    leaves,
    roads,
    same,
    seeded,
)
from seqlab.testing.devices_and_dtypes import device_is_followed, dtype_is_followed
from seqlab.testing.gradients import gradients_are_right, gradients_reach_every_parameter
from seqlab.testing.id_inputs import (
    from_ids_equals_one_hots,
    greedy_steps_equal_single_ones,
    id_stepper_equals_one_hots,
)
from seqlab.testing.promises import Check, Subject, expect
from seqlab.testing.random_states import NOBODYS, random_states_left_alone


@torch.no_grad()
def output_size_is_true(subject: Subject) -> None:
    """Outputs are (B, T, `output_size`), for the B and T of the inputs."""
    cell = build_cell(subject)
    declared = getattr(cell, "output_size", None)
    expect(type(declared) is int, "an integer `output_size`", declared)
    outputs, _ = cell(draw_inputs(), None)
    wanted = (ROWS, WINDOW, declared)
    expect(tuple(outputs.shape) == wanted, f"outputs of shape {wanted}", tuple(outputs.shape))


@torch.no_grad()
def one_row_and_one_token_are_enough(subject: Subject) -> None:
    """A batch of one row and a window of one token work, with and without a state."""
    cell = build_cell(subject)
    for rows, window in ((1, 1), (1, WINDOW), (ROWS, 1)):
        inputs = draw_inputs(rows, window)
        for state in (None, carried(cell, inputs)):
            shape = tuple(cell(inputs, state)[0].shape[:2])
            expect(shape == (rows, window), f"outputs for {(rows, window)}", shape)


@torch.no_grad()
def window_equals_its_steps(subject: Subject) -> None:
    """A window gives what its tokens give one by one: outputs and state, within 1e-5."""
    cell, inputs = build_cell(subject), draw_inputs()
    for before in (None, carried(cell, draw_inputs(seed=2))):
        outputs, state = [], before
        for one in torch.split(inputs, 1, dim=1):
            output, state = cell(one, state)
            outputs.append(output)
        assert state is not None  # noqa: S101 # a window has tokens
        stepped = torch.cat(outputs, 1), state
        same(cell(inputs, before), stepped, "a window to equal its steps")


@torch.no_grad()
def two_windows_equal_a_long_one(subject: Subject) -> None:
    """Two windows with the state carried over give what one long window gives."""
    cell, inputs = build_cell(subject), draw_inputs()
    for cut in (1, WINDOW // 2, WINDOW - 1):
        first, between = cell(inputs[:, :cut], None)
        second, after = cell(inputs[:, cut:], between)
        halves = torch.cat((first, second), 1), after
        same(halves, cell(inputs, None), f"windows cut after token {cut} to equal the whole")


@torch.no_grad()
def rows_do_not_mix(subject: Subject) -> None:
    """What a row gives does not depend on the other rows, in evaluation and in training."""
    cell, inputs = build_cell(subject), draw_inputs()
    state = carried(cell, draw_inputs(seed=2))
    together = cell(inputs, state)
    for row in range(ROWS):
        alone = cell(*_rows((inputs, state), [row]))
        same(_rows(together, [row]), alone, f"row {row} among others to equal the row alone")
    cell.train()
    together = seeded(cell, inputs, state)
    for row in range(ROWS):  # as many rows as before, so that dropout is the same
        copies = seeded(cell, *_rows((inputs, state), [row] * ROWS))
        promise = f"in training, row {row} among others to equal the row among copies of it"
        same(_rows(together, [row]), _rows(copies, [row]), promise)


def _rows(values: Result, rows: list[int]) -> Result:
    places = torch.tensor(rows)
    return values[0][places], select_rows(values[1], places)


@torch.no_grad()
def later_inputs_change_nothing_earlier(subject: Subject) -> None:
    """The cell is causal: an input changes no output before it."""
    cell, inputs = build_cell(subject), draw_inputs()
    whole, _ = cell(inputs, None)
    for place in range(1, WINDOW):
        changed = inputs.clone()
        changed[:, place:] = 3.0 - changed[:, place:]
        found = cell(changed, None)[0][:, :place]
        alike(found, whole[:, :place], f"that inputs from token {place} on change no output before")


@torch.no_grad()
def state_has_the_batch_first(subject: Subject) -> None:
    """A state is a tensor or a tuple of such; the first dimension of each tensor is the batch."""
    cell = build_cell(subject)
    for rows in (1, ROWS):
        for part in _parts(cell(draw_inputs(rows), None)[1]):
            expect(isinstance(part, Tensor), "tensors and tuples", type(part).__name__)
            shape = tuple(part.shape)
            expect(shape[:1] == (rows,), f"{rows} rows first in each tensor of the state", shape)


def _parts(state: Any) -> Iterator[Any]:
    if isinstance(state, tuple):
        for part in state:
            yield from _parts(part)
    else:
        yield state


@torch.no_grad()
def state_keeps_its_shapes(subject: Subject) -> None:
    """Shapes and types of a state do not depend on the window, nor on what came before."""
    cell, state = build_cell(subject), None
    forms = set()
    for window in (1, 2, WINDOW, 1):
        state = cell(draw_inputs(window=window), state)[1]
        forms.add(str([(tuple(part.shape), part.dtype) for part in leaves(state)]))
    expect(len(forms) == 1, "one form of the state after any window", forms)


@torch.no_grad()
def row_of_zeros_is_a_fresh_row(subject: Subject) -> None:
    """A row whose state is zeros gives what a row without a state gives, among others too."""
    cell, inputs = build_cell(subject), draw_inputs()
    before = carried(cell, draw_inputs(seed=2))
    zeros = map_state(torch.zeros_like, before)
    same(cell(inputs, zeros), cell(inputs, None), "a state of zeros to equal none")
    for row in range(ROWS):
        mixed = carry(before, torch.arange(ROWS) != row)
        found = cell(inputs, mixed)[0][row : row + 1]
        fresh = cell(inputs[row : row + 1], None)[0]
        alike(found, fresh, f"row {row}, of zeros among others, to be a fresh row")


@torch.no_grad()
def state_survives_saving(subject: Subject) -> None:
    """A state that was detached, saved and loaded goes on as it was, to the bit."""
    cell, inputs = build_cell(subject), draw_inputs()
    state = carried(cell, draw_inputs(seed=2))
    tensors: dict[str, Tensor] = {}
    packed = pack(state, "state", tensors)
    copies = {name: tensor.clone().contiguous() for name, tensor in tensors.items()}
    loaded = cell(inputs, unpack(packed, copies))
    same(loaded, cell(inputs, state), "a loaded state to go on as the saved one", close=0.0)


@torch.no_grad()
def inputs_are_left_alone(subject: Subject) -> None:
    """Neither inputs, ids nor state that were given are changed in place."""
    for road in roads(build_cell(subject)):
        inputs, state = road.draw(1), road.state
        for _ in range(2):  # a state that it made itself is given back too
            before = inputs.clone(), map_state(torch.clone, state)
            _, after = road.call(inputs, state)
            promise = f"inputs and state to be left by `{road.name}` as they were given"
            same((inputs, state), before, promise, close=0.0)
            state = after


@torch.no_grad()
def nothing_is_remembered_outside_the_state(subject: Subject) -> None:
    """The same inputs and state give the same, whatever the cell was called with before."""
    for road in roads(build_cell(subject)):
        inputs, state = road.draw(1), road.states[0]
        first = road.call(inputs, state)
        road.call(road.draw(3), first[1])
        same(road.call(inputs, state), first, "the same inputs to give the same", close=0.0)
    one, other = (_trained_after(subject, seed) for seed in (3, 4))
    for found, wanted in zip(one, other, strict=True):
        same(found, wanted, "the same inputs to give the same in training", close=0.0)


def _trained_after(subject: Subject, seed: int) -> list[Result]:
    """What a new cell gives in training after it was called with other inputs, those of a seed."""
    cell = build_cell(subject)
    ways = [road for road in roads(cell) if not road.generates]
    cell.train()
    found = []
    for road in ways:
        for state in road.states:
            seeded(road.call, road.draw(seed), state)
            found.append(seeded(road.call, road.draw(1), state))
    return found


@torch.no_grad()
def weights_survive_saving(subject: Subject) -> None:
    """Another cell that loads the `state_dict` gives the same, to the bit."""
    one, other, inputs = build_cell(subject), build_cell(subject, seed=9), draw_inputs()
    other.load_state_dict({name: t.clone() for name, t in one.state_dict().items()})
    same(other(inputs, None), one(inputs, None), "loaded weights to give the same", close=0.0)


def seed_decides_everything(subject: Subject) -> None:
    """Under one seed cells are built and train alike; none sets a seed, or draws in evaluation."""
    inputs = draw_inputs()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        trained = []
        for _ in range(2):
            cell = build_cell(subject).train()
            torch.manual_seed(7)
            trained.append(cell(inputs, None))
        same(trained[0], trained[1], "one seed to give the same in training", close=0.0)
    with torch.no_grad(), random_states_left_alone():
        cell.eval()(inputs, None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(NOBODYS)
        subject.build(SIZE)
        seed = torch.initial_seed()
    expect(seed == NOBODYS, "torch's seed to be left alone while it is built", f"it is now {seed}")


CHECKS: tuple[Check, ...] = (
    output_size_is_true,
    one_row_and_one_token_are_enough,
    window_equals_its_steps,
    two_windows_equal_a_long_one,
    rows_do_not_mix,
    later_inputs_change_nothing_earlier,
    state_has_the_batch_first,
    state_keeps_its_shapes,
    row_of_zeros_is_a_fresh_row,
    state_survives_saving,
    inputs_are_left_alone,
    nothing_is_remembered_outside_the_state,
    from_ids_equals_one_hots,
    id_stepper_equals_one_hots,
    greedy_steps_equal_single_ones,
    gradients_reach_every_parameter,
    gradients_are_right,
    dtype_is_followed,
    device_is_followed,
    weights_survive_saving,
    seed_decides_everything,
)
