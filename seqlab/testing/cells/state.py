"""What a cell promises of its state. Shapes: B rows, T window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from seqlab.contracts import State, offered
from seqlab.model.state import carry, map_state
from seqlab.packing import pack, unpack
from seqlab.testing.cells.inputs import (
    ROWS,
    WINDOW,
    Result,
    build_cell,
    call_seeded,
    change_weights,
    draw_inputs,
    entry_points,
    expect_close,
    expect_same,
    state_after,
    state_tensors,
)
from seqlab.testing.promises import NotApplicable, Subject, expect

LONG = 40  # longer than a buffer is likely to be made for


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
    for window in (1, 2, WINDOW, LONG, 1):
        state = cell(draw_inputs(window=window), state)[1]
        forms.add(_form(state))
    expect(len(forms) == 1, "the same shapes and types after any window", forms)
    for before in (None, state):
        with torch.autocast("cpu", torch.bfloat16):
            forms = {_form(cell(draw_inputs(window=w), before)[1]) for w in (1, 2, WINDOW)}
        promise = "the same shapes and types after any window under bfloat16 autocast"
        expect(len(forms) == 1, promise, forms)


def _form(state: State) -> str:
    return str([(tuple(tensor.shape), tensor.dtype) for tensor in state_tensors(state)])


@torch.no_grad()
def row_of_zeros_is_a_fresh_row(subject: Subject) -> None:
    """A row whose state is zeros gives what a row without a state gives, among others too."""
    cell, inputs = build_cell(subject), draw_inputs()
    before = state_after(cell, draw_inputs(seed=2))
    zeros = map_state(torch.zeros_like, before)
    expect_same(cell(inputs, zeros), cell(inputs, None), "a state of zeros to equal none")
    for row in range(ROWS):
        mixed = carry(before, torch.arange(ROWS) != row)
        outputs = cell(inputs, mixed)[0][row : row + 1]
        fresh = cell(inputs[row : row + 1], None)[0]
        expect_close(outputs, fresh, f"row {row}, of zeros among others, to be a fresh row")


@torch.no_grad()
def state_survives_saving(subject: Subject) -> None:
    """A state that was detached, saved and loaded goes on as it was, to the bit."""
    cell, inputs = build_cell(subject), draw_inputs()
    state = state_after(cell, draw_inputs(seed=2))
    tensors: dict[str, Tensor] = {}
    packed = pack(state, "state", tensors)
    copies = {name: tensor.clone().contiguous() for name, tensor in tensors.items()}
    loaded = cell(inputs, unpack(packed, copies))
    promise = "a loaded state to go on as the saved one"
    expect_same(loaded, cell(inputs, state), promise, close=0.0)


@torch.no_grad()
def inputs_are_left_alone(subject: Subject) -> None:
    """Neither inputs, ids nor state that were given are changed in place."""
    for entry in entry_points(build_cell(subject)):
        inputs, state = entry.draw(1), entry.state
        for _ in range(2):  # the second time with a state that the cell itself made
            before = inputs.clone(), map_state(torch.clone, state)
            _, after = entry.call(inputs, state)
            promise = f"inputs and state to be left by `{entry.name}` as they were given"
            expect_same((inputs, state), before, promise, close=0.0)
            state = after


@torch.no_grad()
def nothing_is_remembered_outside_the_state(subject: Subject) -> None:
    """The same inputs and state give the same, whatever the cell was called with before."""
    cell = build_cell(subject)
    for entry in entry_points(cell):
        inputs, state = entry.draw(1), entry.states[0]
        first = entry.call(inputs, state)
        entry.call(entry.draw(3), first[1])
        again = entry.call(inputs, state)
        expect_same(again, first, "the same inputs to give the same", close=0.0)
    _expect_no_old_weights(cell, subject)
    for first, second in zip(*(_trained_after(subject, seed) for seed in (3, 4)), strict=True):
        promise = "the same inputs to give the same in training"
        expect_same(first, second, promise, close=0.0)


def _expect_no_old_weights(cell: Any, subject: Subject) -> None:
    """With other weights it gives what another cell gives that has them."""
    inputs = draw_inputs()
    for when in change_weights(cell):
        loaded = build_cell(subject, seed=9)
        loaded.load_state_dict({name: t.clone() for name, t in cell.state_dict().items()})
        promise = f"what a new cell with the same weights gives{when}"
        expect_same(cell(inputs, None), loaded(inputs, None), promise)


def _trained_after(subject: Subject, seed: int) -> list[Result]:
    """What a new cell gives in training after a call with other inputs and other chance."""
    cell = build_cell(subject)
    entries = [entry for entry in entry_points(cell) if not entry.evaluation_only]
    cell.train()
    results = []
    for entry in entries:
        for state in entry.states:
            call_seeded(entry.call, entry.draw(seed), state, seed=seed)
            results.append(call_seeded(entry.call, entry.draw(1), state))
    return results


@torch.no_grad()
def last_output_is_the_output(subject: Subject) -> None:
    """`last_output(state)`, where a cell offers it, is the output of the last step."""
    cell = build_cell(subject)
    if offered(cell, "last_output") is None:
        raise NotApplicable("the cell has no `last_output`, and need not have it")
    for before in (None, state_after(cell, draw_inputs(seed=2))):
        outputs, after = cell(draw_inputs(), before)
        promise = "`last_output` to be the output of the last step"
        expect_close(cell.last_output(after), outputs[:, -1], promise)
