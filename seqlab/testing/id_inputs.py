"""What a cell promises of token ids, where it takes them: to be as with one-hot vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from seqlab.contracts import offered
from seqlab.kernels import use_kernels
from seqlab.testing.cell_inputs import (
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
from seqlab.testing.gradients import gradients_of, trained_parameters
from seqlab.testing.promises import NotApplicable, Subject, expect

STEPS = 300
MANY_ROWS = 16


def from_ids_equals_one_hots(subject: Subject) -> None:
    """`from_ids`, where a cell offers it, gives what one-hots give, gradients too, at any time."""
    cell = build_cell(subject)
    if offered(cell, "from_ids") is None:
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
    if offered(cell, "id_stepper") is None:
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


@torch.no_grad()
def greedy_steps_equal_single_ones(subject: Subject) -> None:
    """`greedy` of an `IdStep`, where it offers it, chooses the largest logit of each step."""
    cell = build_cell(subject)
    if offered(cell, "id_stepper") is None or offered(cell.id_stepper(), "greedy") is None:
        raise NotApplicable("the cell has no `id_stepper` with `greedy`, and need not have it")
    taken = [
        _expect_the_largest(cell, head, vectors, when)
        for when in _as_weights_change(cell)
        for vectors in (None, draw_inputs(1, SIZE, seed=6)[0])  # one-hots, or (V, I)
        for head in _heads(cell.output_size)
    ]
    if not any(taken):
        raise NotApplicable("`greedy` gives None, as it may")


def _heads(size: int) -> Iterator[nn.Linear]:
    """One that tells tokens apart, and one for which all are equal."""
    generator = torch.Generator().manual_seed(8)
    for weight in (torch.randn(SIZE, size, generator=generator), torch.zeros(SIZE, size)):
        with torch.random.fork_rng(devices=[]):
            head = nn.Linear(size, SIZE)
        head.load_state_dict({"weight": weight, "bias": torch.zeros(SIZE)})
        yield head


def _expect_the_largest(cell: Any, head: nn.Linear, vectors: Tensor | None, when: str) -> bool:
    """Have the cell itself read what was chosen; return whether anything was."""
    step = cell.id_stepper()
    over = offered(step, "over") if vectors is not None else lambda _: step
    step = over and over(vectors)
    with use_kernels("numba"):  # of a compiled loop what it gives is looked at, whether it pays
        take = step and step.greedy(head, STEPS)
    for rows in (1, ROWS, MANY_ROWS) if take else ():
        ids, state = draw_ids(rows, seed=rows), carried(cell, draw_inputs(rows, seed=2))
        chosen, scores, after = take(ids, state, STEPS)
        form = chosen.dtype, chosen.dim(), len(chosen), chosen.shape == scores.shape
        expect(form == (torch.int64, 2, rows, True), "ids and scores (B, N)", form)
        expect(0 < chosen.shape[1] <= STEPS, f"1 to {STEPS} steps", chosen.shape[1])
        read = torch.cat((ids[:, None], chosen[:, :-1]), 1)
        outputs, wanted = cell(_one_hots(read) if vectors is None else vectors[read], state)
        logits = head(outputs)
        largest = logits.argmax(-1)
        near = logits.amax(-1) - logits.gather(-1, chosen[..., None])[..., 0] <= CLOSE
        right = (near & (chosen <= largest)) | (chosen == largest)
        promise = f"the most probable id of each step, of equals the lowest{when}"
        expect(bool(right.all()), promise, chosen[~right].tolist()[:5])
        nats = logits.log_softmax(-1).gather(-1, chosen[..., None])[..., 0]
        alike(scores, nats, f"log-probabilities of {rows} rows{when}")
        for one, other in zip(leaves(after), leaves(wanted), strict=True):
            close = 10 * CLOSE * max(1.0, float(other.abs().max()))  # after so many steps
            alike(one, other, f"the state after {rows} rows{when}", close=close)
    return bool(take)


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
