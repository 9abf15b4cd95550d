"""What a cell promises of long windows, of many rows, and of small and large inputs.

Shapes: B rows, T window. T and B are larger than any option of the cell, such as its context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqlab.contracts import State, offered
from seqlab.model.state import select_rows
from seqlab.testing.beyond import beyond_options
from seqlab.testing.cells.inputs import (
    CLOSE,
    WINDOW,
    Call,
    Result,
    build_causal_cell,
    build_cell,
    call_seeded,
    draw_ids,
    draw_inputs,
    expect_near,
    float_tensors,
    gradients_of,
    reads_ahead,
    state_after,
    trained_parameters,
    weighted_sum,
)
from seqlab.testing.promises import NotApplicable, Subject, expect

LONG, MANY = 257, 65
PIECES = (1, 1, 7, 1, 16, 1, 33, 2, 1, 64, 5, 1, 30)  # tokens, of a window that is cut
SINGLE = 16  # the last tokens come one by one
VERY_LONG, EXACT = 4096, 1024  # of these in float64, which some cells are slow in
SCALES = (0.01, 100.0)


class Form(NamedTuple):
    """A way to give a cell a window: its name, the call, and inputs by rows, window and seed."""

    name: str
    call: Call
    draw: Callable[[int, int, int], Tensor]


def _forms(cell: Any) -> Iterator[Form]:
    yield Form("forward", cell, lambda rows, window, seed: draw_inputs(rows, window, seed=seed))
    if offered(cell, "from_ids"):
        draw = lambda rows, window, seed: draw_ids(rows, window, seed=seed)  # noqa: E731 # as above
        yield Form("from_ids", cell.from_ids, draw)


def _length(subject: Subject) -> int:
    return beyond_options(subject, LONG) + SINGLE


def _in_pieces(
    call: Call, inputs: Tensor, state: State | None, lengths: list[int] | None = None
) -> Result:
    """Outputs and state of a window that comes in pieces."""
    outputs = []
    for piece in torch.split(inputs, lengths or _cut(inputs.shape[1]), dim=1):
        output, state = call(piece, state)
        outputs.append(output)
    assert state is not None  # noqa: S101 # a window has tokens
    return torch.cat(outputs, 1), state


def _cut(length: int) -> list[int]:
    """Lengths of pieces, the last of them of single tokens."""
    left, pieces = length - SINGLE, []
    for piece in cycle(PIECES):
        pieces.append(min(piece, left))
        left -= pieces[-1]
        if not left:
            return pieces + [1] * SINGLE
    return pieces


def long_windows_equal_their_pieces(subject: Subject) -> None:
    """A window longer than any option gives what its pieces give: outputs and state."""
    cell, length = build_causal_cell(subject), _length(subject)
    for form in _forms(cell):
        inputs = form.draw(2, length, 1)
        for before in (None, state_after(cell, draw_inputs(2, seed=2))):
            with torch.no_grad():
                expected = _in_pieces(form.call, inputs, before)
            for gradients in (False, True):  # a cell may go another way for them
                with torch.set_grad_enabled(gradients):
                    actual = form.call(inputs, before)
                promise = f"{length} tokens in one window of `{form.name}` to equal its pieces"
                expect_near(actual, expected, promise)


def long_windows_have_the_gradients_of_their_pieces(subject: Subject) -> None:
    """Gradients through a window longer than any option are those through its pieces."""
    cell, length = build_causal_cell(subject), _length(subject)
    for form in _forms(cell):
        inputs, wanted = form.draw(2, length, 1), dict(trained_parameters(cell))
        if inputs.is_floating_point():
            wanted = {"the inputs": inputs.requires_grad_(), **wanted}  # type: ignore[dict-item]
        expected = gradients_of(weighted_sum(_in_pieces(form.call, inputs, None)), wanted)
        actual = gradients_of(weighted_sum(form.call(inputs, None)), wanted)
        for name, gradient in expected.items():
            promise = f"the gradient for {name} through {length} tokens as through their pieces"
            expect_near((actual[name], ()), (gradient, ()), promise)


@torch.no_grad()
def thousands_of_tokens_equal_their_steps(subject: Subject) -> None:
    """A window of 4,096 tokens equals its steps, and one of 1,024 in float64 its pieces."""
    cell, inputs = build_causal_cell(subject), draw_inputs(1, VERY_LONG)
    rounded = inputs * (1 + torch.finfo(inputs.dtype).eps)
    steps = _in_pieces(cell, torch.cat((inputs, rounded)), None, [1] * VERY_LONG)
    _expect_stable(steps[0])
    promise = f"{VERY_LONG} tokens in one window to equal their steps"
    expect_near(cell(inputs, None), _select(steps, torch.tensor([0])), promise)
    cell, inputs = build_cell(subject, dtype=torch.float64), inputs[:, :EXACT].double()
    promise = f"in float64, {EXACT} tokens in one window to equal their pieces"
    expect_near(cell(inputs, None), _in_pieces(cell, inputs, None), promise, 1e-6)


def _expect_stable(outputs: Tensor) -> None:
    """Raise NotApplicable if the second row, whose inputs are rounded otherwise, goes its own way.

    Then the recurrence is chaotic at its initial weights, and no two forms of it can agree.
    """
    gap = float((outputs[1] - outputs[0]).abs().max())
    if gap > CLOSE * max(1.0, float(outputs.abs().max())):
        raise NotApplicable(
            f"it is chaotic: another rounding of its inputs changes an output by {gap:.1e} within "
            f"{len(outputs[0])} tokens"
        )


@torch.no_grad()
def far_inputs_change_nothing_earlier(subject: Subject) -> None:
    """In a window longer than any option, an input changes no output before it."""
    length = _length(subject)
    for form in _forms(build_causal_cell(subject)):
        inputs = form.draw(2, length, 1)
        whole, _ = form.call(inputs, None)
        for token in (1, length // 8, length // 2, length - 1):
            _expect_causal(form.call, inputs, whole, token)


def _expect_causal(call: Call, inputs: Tensor, outputs: Tensor, token: int) -> None:
    changed = inputs.clone()
    changed[:, token:] = changed[:, token:].roll(1, 0)  # to those of the other row
    before = call(changed, None)[0][:, :token]
    promise = f"that inputs from token {token} of {inputs.shape[1]} on change no output before"
    expect_near((before, ()), (outputs[:, :token], ()), promise)


@torch.no_grad()
def many_rows_do_not_mix(subject: Subject) -> None:
    """More rows than any option says give what each gives alone, and in another order."""
    cell, rows = build_cell(subject), beyond_options(subject, MANY)
    backwards = torch.arange(rows).flip(0)
    for form in _forms(cell):
        inputs, before = form.draw(rows, 2, 1), state_after(cell, draw_inputs(rows, 2, seed=2))
        cell.eval()
        together = form.call(inputs, before)
        turned = form.call(inputs[backwards], select_rows(before, backwards))
        promise = f"{rows} rows of `{form.name}` to give the same in another order"
        expect_near(turned, _select(together, backwards), promise)
        for row in (0, rows // 2, rows - 1):
            only = torch.tensor([row])
            alone = form.call(inputs[only], select_rows(before, only))
            promise = f"row {row} of {rows} of `{form.name}` to equal the row alone"
            expect_near(_select(together, only), alone, promise)
        _expect_unmixed_in_training(form, inputs, before, rows // 2)


def _expect_unmixed_in_training(form: Form, inputs: Tensor, before: State, row: int) -> None:
    """As many rows as before, so that dropout is the same."""
    cell: Any = getattr(form.call, "__self__", form.call)
    cell.train()
    only, copies = torch.tensor([row]), torch.full((len(inputs),), row)
    together = call_seeded(form.call, inputs, before)
    copied = call_seeded(form.call, inputs[copies], select_rows(before, copies))
    promise = f"in training, row {row} of {len(inputs)} to equal the row among copies of it"
    expect_near(_select(together, only), _select(copied, only), promise)
    cell.eval()


def _select(result: Result, rows: Tensor) -> Result:
    return result[0][rows], select_rows(result[1], rows)


def inputs_may_be_small_or_large(subject: Subject) -> None:
    """A hundred times as large or as small, inputs give finite numbers, and rows and time part."""
    for scale in (0.0, *SCALES):
        _expect_finite(subject, scale)
    for scale in () if reads_ahead(build_cell(subject)) else SCALES:
        with torch.no_grad():
            _expect_order(subject, scale)


def _expect_finite(subject: Subject, scale: float) -> None:
    """Outputs, state and gradients, as they are and under autocast."""
    cell, where = build_cell(subject), f"from inputs times {scale:g}"
    for autocast in (False, True):
        inputs = (draw_inputs() * scale).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            result = cell(inputs, state_after(cell, inputs.detach()))
            total = weighted_sum(result)
        under = " under bfloat16 autocast" if autocast else ""
        wrong = sum(int((~tensor.isfinite()).sum()) for tensor in float_tensors(result))
        expect(not wrong, f"finite outputs and state {where}{under}", f"{wrong} are not")
        gradients = gradients_of(total, {"the inputs": inputs, **trained_parameters(cell)})
        bad = [name for name, one in gradients.items() if not one.isfinite().all()]
        expect(not bad, f"finite gradients {where}{under}", f"not for {', '.join(bad)}")


def _expect_order(subject: Subject, scale: float) -> None:
    """Windows equal their pieces, rows do not mix, and nothing is seen ahead; in float64."""
    cell = build_cell(subject, dtype=torch.float64)
    inputs = draw_inputs(2 * WINDOW, 3 * WINDOW, dtype=torch.float64)
    inputs[0] *= scale  # beside others, and for a while
    inputs[1, WINDOW : 2 * WINDOW] *= scale
    whole, where = cell(inputs, None), f"with inputs times {scale:g}"
    expect_near(
        whole, _in_pieces(cell, inputs, None), f"{where}, a window to equal its pieces", 1e-6
    )
    for row in range(2):
        only = torch.tensor([row])
        alone = cell(inputs[only], None)
        expect_near(_select(whole, only), alone, f"{where}, row {row} to equal it alone", 1e-6)
    for token in (1, WINDOW, 2 * WINDOW):
        changed = inputs.clone()
        changed[:, token:] = 3.0 * scale - changed[:, token:] * 2
        early = cell(changed, None)[0][:, :token]
        promise = f"{where}, that inputs from token {token} on change no output before"
        expect_near((early, ()), (whole[0][:, :token], ()), promise, 1e-6)
