"""What a cell promises of token ids, where it takes them: to be as with one-hot vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from seqlab.model.steady import MANY_ROWS
from seqlab.testing.gradients import gradients_of, trained_parameters
from seqlab.testing.promises import NotApplicable, Subject
from seqlab.testing.windows import (
    CLOSE,
    ROWS,
    SIZE,
    WINDOW,
    Result,
    alike,
    build_cell,
    carried,
    draw_ids,
    draw_inputs,
    leaves,
    same,
)


def from_ids_equals_one_hots(subject: Subject) -> None:
    """`from_ids`, where a cell offers it, gives what one-hots give, gradients too, at any time."""
    cell = build_cell(subject)
    if not hasattr(cell, "from_ids"):
        raise NotApplicable("the cell has no `from_ids`, and need not have it")
    ids = draw_ids(ROWS, WINDOW, seed=4)
    for when in _as_weights_change(cell):
        for state in (None, carried(cell, draw_inputs(seed=2))):
            with torch.no_grad():
                found, wanted = cell.from_ids(ids, state), cell(_one_hots(ids), state)
                same(found, wanted, f"ids to equal one-hot vectors{when}")
            found, wanted = cell.from_ids(ids, state), cell(_one_hots(ids), state)
            _same_gradients(cell, found, wanted, when)


@torch.no_grad()
def id_stepper_equals_one_hots(subject: Subject) -> None:
    """The step of `id_stepper`, where a cell offers it, gives what one-hots give, at any time."""
    cell = build_cell(subject)
    if not hasattr(cell, "id_stepper"):
        raise NotApplicable("the cell has no `id_stepper`, and need not have it")
    for when in _as_weights_change(cell):
        step = cell.id_stepper()
        for rows in (1, ROWS, MANY_ROWS):
            state = carried(cell, draw_inputs(rows, seed=2))
            for seed in range(2):
                ids = draw_ids(rows, seed=seed)
                outputs, after = cell(_one_hots(ids.unsqueeze(1)), state)
                promise = f"a step of {rows} ids to equal one-hot vectors{when}"
                same(step(ids, state), (outputs.squeeze(1), after), promise)
                state = after


def _one_hots(ids: Tensor) -> Tensor:
    return nn.functional.one_hot(ids, SIZE).float()


def _as_weights_change(cell: nn.Module) -> Iterator[str]:
    """Change the weights between, as a run does: what was kept of the old ones is then wrong."""
    weights = trained_parameters(cell).values()
    yield ""
    with torch.no_grad():
        for weight in weights:
            weight.mul_(1.25).add_(0.01)
    yield " after weights changed in place"
    for weight in weights:  # as the average of the weights is put in for an evaluation
        weight.data = weight.data * 0.75
    yield " after other weights were put in"


def _same_gradients(cell: nn.Module, found: Result, wanted: Result, when: str) -> None:
    trained = trained_parameters(cell)
    ours, theirs = (gradients_of(_some_sum(result), trained) for result in (found, wanted))
    for name, gradient in theirs.items():
        close = CLOSE * max(1.0, float(gradient.abs().max()))
        promise = f"gradients for '{name}' through ids as through one-hot vectors{when}"
        alike(ours[name], gradient, promise, close=close)


def _some_sum(result: Any) -> Tensor:
    """A sum that every number of the outputs and of the state has another share in."""
    generator = torch.Generator().manual_seed(5)
    parts = [part for part in (result[0], *leaves(result[1])) if part.is_floating_point()]
    sums = [(part * torch.randn(part.shape, generator=generator)).sum() for part in parts]
    return torch.stack(sums).sum()
