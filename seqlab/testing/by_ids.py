"""What a cell promises of token ids, where it takes them: to be as with one-hot vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from seqlab.model.steady import MANY_ROWS
from seqlab.testing.gradients import gradients_of, trained_parameters
from seqlab.testing.promises import NotApplicable, Subject, expect
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

STEPS = 300  # of a walk, so many that it is worth something


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


@torch.no_grad()
def greedy_walk_equals_steps(subject: Subject) -> None:
    """`greedy_walk`, where a cell offers it, says what the largest logit of each step would."""
    cell = build_cell(subject)
    if not hasattr(cell, "greedy_walk"):
        raise NotApplicable("the cell has no `greedy_walk`, and need not have it")
    vectors = draw_inputs(1, SIZE, seed=6)[0]  # (V, I)
    walks = [
        _expect_the_largest(cell, head, inputs, when)
        for when in _as_weights_change(cell)
        for inputs in (None, vectors)
        for head in _heads(cell.output_size)
    ]
    if not any(walks):
        raise NotApplicable("`greedy_walk` gives None, as it may")


def _heads(size: int) -> Iterator[nn.Linear]:
    """One that tells tokens apart, and one for which all are equal."""
    generator = torch.Generator().manual_seed(8)
    for weight in (torch.randn(SIZE, size, generator=generator), torch.zeros(SIZE, size)):
        with torch.random.fork_rng(devices=[]):
            head = nn.Linear(size, SIZE)
        head.load_state_dict({"weight": weight, "bias": torch.zeros(SIZE)})
        yield head


def _expect_the_largest(cell: Any, head: nn.Linear, inputs: Tensor | None, when: str) -> bool:
    """Walk, and have the cell itself read what was said; return whether there is a walk."""
    walk = cell.greedy_walk(head, inputs, STEPS)
    for rows in (1, ROWS, MANY_ROWS) if walk else ():
        ids, state = draw_ids(rows, seed=rows), carried(cell, draw_inputs(rows, seed=2))
        said, scores, after = walk(ids, state, STEPS)
        form = said.dtype, said.dim(), len(said), said.shape == scores.shape
        expect(form == (torch.int64, 2, rows, True), "ids and scores (B, N)", form)
        expect(0 < said.shape[1] <= STEPS, f"1 to {STEPS} steps", said.shape[1])
        read = torch.cat((ids[:, None], said[:, :-1]), 1)
        outputs, wanted = cell(_one_hots(read) if inputs is None else inputs[read], state)
        logits = head(outputs)
        largest = logits.argmax(-1)
        near = logits.amax(-1) - logits.gather(-1, said[..., None])[..., 0] <= CLOSE
        right = (near & (said <= largest)) | (said == largest)
        promise = f"the most probable id of each step, of equals the lowest{when}"
        expect(bool(right.all()), promise, said[~right].tolist()[:5])
        nats = logits.log_softmax(-1).gather(-1, said[..., None])[..., 0]
        alike(scores, nats, f"log-probabilities of {rows} rows{when}")
        for one, other in zip(leaves(after), leaves(wanted), strict=True):
            close = 10 * CLOSE * max(1.0, float(other.abs().max()))  # after so many steps
            alike(one, other, f"the state after {rows} rows{when}", close=close)
    return walk is not None


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
