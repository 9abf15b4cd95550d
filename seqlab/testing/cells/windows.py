"""What a cell promises of its outputs. Shapes: B rows, T window, I input size, O output size."""

from __future__ import annotations

import torch

from seqlab.model.state import select_rows
from seqlab.testing.cells.inputs import (
    ROWS,
    WINDOW,
    Result,
    build_causal_cell,
    build_cell,
    call_seeded,
    draw_inputs,
    expect_close,
    expect_same,
    state_after,
)
from seqlab.testing.promises import Subject, expect


@torch.no_grad()
def output_size_is_true(subject: Subject) -> None:
    """Outputs are (B, T, `output_size`), for the B and T of the inputs."""
    cell = build_cell(subject)
    declared = getattr(cell, "output_size", None)
    expect(type(declared) is int, "an integer `output_size`", declared)
    outputs, _ = cell(draw_inputs(), None)
    shape = (ROWS, WINDOW, declared)
    expect(tuple(outputs.shape) == shape, f"outputs of shape {shape}", tuple(outputs.shape))


@torch.no_grad()
def one_row_and_one_token_are_enough(subject: Subject) -> None:
    """A batch of one row and a window of one token work, with and without a state."""
    cell = build_cell(subject)
    for rows, window in ((1, 1), (1, WINDOW), (ROWS, 1)):
        inputs = draw_inputs(rows, window)
        for state in (None, state_after(cell, inputs)):
            shape = tuple(cell(inputs, state)[0].shape[:2])
            expect(shape == (rows, window), f"outputs for {(rows, window)}", shape)


@torch.no_grad()
def window_equals_its_steps(subject: Subject) -> None:
    """A window gives what its tokens give one by one: outputs and state, within 1e-5."""
    cell, inputs = build_causal_cell(subject), draw_inputs()
    for before in (None, state_after(cell, draw_inputs(seed=2))):
        outputs, state = [], before
        for token in torch.split(inputs, 1, dim=1):
            output, state = cell(token, state)
            outputs.append(output)
        assert state is not None  # noqa: S101 # a window has tokens
        stepped = torch.cat(outputs, 1), state
        expect_same(cell(inputs, before), stepped, "a window to equal its steps")


@torch.no_grad()
def two_windows_equal_a_long_one(subject: Subject) -> None:
    """Two windows with the state carried over give what one long window gives."""
    cell, inputs = build_causal_cell(subject), draw_inputs()
    for cut in (1, WINDOW // 2, WINDOW - 1):
        first, between = cell(inputs[:, :cut], None)
        second, after = cell(inputs[:, cut:], between)
        halves = torch.cat((first, second), 1), after
        promise = f"windows cut after token {cut} to equal the whole"
        expect_same(halves, cell(inputs, None), promise)


@torch.no_grad()
def rows_do_not_mix(subject: Subject) -> None:
    """What a row gives does not depend on the other rows, in evaluation and in training."""
    cell, inputs = build_cell(subject), draw_inputs()
    state = state_after(cell, draw_inputs(seed=2))
    together = cell(inputs, state)
    for row in range(ROWS):
        alone = cell(*_select((inputs, state), [row]))
        promise = f"row {row} among others to equal the row alone"
        expect_same(_select(together, [row]), alone, promise)
    cell.train()
    together = call_seeded(cell, inputs, state)
    for row in range(ROWS):  # as many rows as before, so that dropout is the same
        copies = call_seeded(cell, *_select((inputs, state), [row] * ROWS))
        promise = f"in training, row {row} among others to equal the row among copies of it"
        expect_same(_select(together, [row]), _select(copies, [row]), promise)


def _select(result: Result, rows: list[int]) -> Result:
    indices = torch.tensor(rows)
    return result[0][indices], select_rows(result[1], indices)


@torch.no_grad()
def later_inputs_change_nothing_earlier(subject: Subject) -> None:
    """The cell is causal: an input changes no output before it."""
    cell, inputs = build_causal_cell(subject), draw_inputs()
    whole, _ = cell(inputs, None)
    for token in range(1, WINDOW):
        changed = inputs.clone()
        changed[:, token:] = 3.0 - changed[:, token:]
        before = cell(changed, None)[0][:, :token]
        promise = f"that inputs from token {token} on change no output before"
        expect_close(before, whole[:, :token], promise)
