"""What a cell promises of token ids: results as with one-hot vectors, in every optional method."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from seqlab.contracts import offered
from seqlab.kernels import use_kernels
from seqlab.testing.cells.inputs import (
    CLOSE,
    ROWS,
    SIZE,
    WINDOW,
    Result,
    build_cell,
    change_weights,
    draw_ids,
    draw_inputs,
    expect_close,
    expect_same,
    gradients_of,
    state_after,
    state_tensors,
    trained_parameters,
    weighted_sum,
)
from seqlab.testing.promises import NotApplicable, Subject, expect

STEPS = 300
MANY_ROWS = 65  # more than a buffer is likely to be made for


def from_ids_equals_one_hots(subject: Subject) -> None:
    """`from_ids`, where a cell offers it, gives what one-hots give, gradients too, at any time."""
    cell = build_cell(subject)
    if offered(cell, "from_ids") is None:
        raise NotApplicable("the cell has no `from_ids`, and need not have it")
    ids = draw_ids(ROWS, WINDOW, seed=4)
    for when in change_weights(cell):
        for state in (None, state_after(cell, draw_inputs(seed=2))):
            with torch.no_grad():
                actual, expected = cell.from_ids(ids, state), cell(_one_hots(ids), state)
                expect_same(actual, expected, f"ids to equal one-hot vectors{when}")
            actual, expected = cell.from_ids(ids, state), cell(_one_hots(ids), state)
            _expect_same_gradients(cell, actual, expected, when)


@torch.no_grad()
def id_stepper_equals_one_hots(subject: Subject) -> None:
    """The step of `id_stepper`, where a cell offers it, gives what one-hots give, at any time."""
    cell = build_cell(subject)
    if offered(cell, "id_stepper") is None:
        raise NotApplicable("the cell has no `id_stepper`, and need not have it")
    for when in change_weights(cell):
        step = cell.id_stepper()
        for rows in (1, ROWS, MANY_ROWS):
            state = state_after(cell, draw_inputs(rows, seed=2))
            for seed in range(2):
                ids = draw_ids(rows, seed=seed)
                outputs, after = cell(_one_hots(ids.unsqueeze(1)), state)
                promise = f"a step of {rows} ids to equal one-hot vectors{when}"
                expect_same(step(ids, state), (outputs.squeeze(1), after), promise)
                state = after


@torch.no_grad()
def greedy_steps_equal_single_ones(subject: Subject) -> None:
    """`greedy` of an `IdStep`, where it offers it, chooses the largest logit of each step."""
    cell = build_cell(subject)
    if offered(cell, "id_stepper") is None or offered(cell.id_stepper(), "greedy") is None:
        raise NotApplicable("the cell has no `id_stepper` with `greedy`, and need not have it")
    taken = [
        _expect_largest_logits(cell, head, vectors, when)
        for when in change_weights(cell)
        for vectors in (None, draw_inputs(1, SIZE, seed=6)[0])  # one-hots, or (V, I)
        for head in _heads(cell.output_size)
    ]
    if not any(taken):
        raise NotApplicable("`greedy` gives None, as it may")


def _heads(size: int) -> Iterator[nn.Linear]:
    """A head with different logits, and one with equal logits."""
    generator = torch.Generator().manual_seed(8)
    for weight in (torch.randn(SIZE, size, generator=generator), torch.zeros(SIZE, size)):
        with torch.random.fork_rng(devices=[]):
            head = nn.Linear(size, SIZE)
        head.load_state_dict({"weight": weight, "bias": torch.zeros(SIZE)})
        yield head


def _expect_largest_logits(cell: Any, head: nn.Linear, vectors: Tensor | None, when: str) -> bool:
    """Compare greedy steps with the cell's own logits; return False if it offers no such steps."""
    step = cell.id_stepper()
    over = offered(step, "over") if vectors is not None else lambda _: step
    step = over and over(vectors)
    with use_kernels("numba"):  # compiled loops are checked where they would not pay, too
        take = step and step.greedy(head, STEPS)
    for rows in (1, ROWS, MANY_ROWS) if take else ():
        ids, state = draw_ids(rows, seed=rows), state_after(cell, draw_inputs(rows, seed=2))
        chosen, scores, after = take(ids, state, STEPS)
        form = chosen.dtype, chosen.dim(), len(chosen), chosen.shape == scores.shape
        expect(form == (torch.int64, 2, rows, True), "ids and scores (B, N)", form)
        expect(0 < chosen.shape[1] <= STEPS, f"1 to {STEPS} steps", chosen.shape[1])
        read = torch.cat((ids[:, None], chosen[:, :-1]), 1)
        outputs, expected = cell(_one_hots(read) if vectors is None else vectors[read], state)
        logits = head(outputs)
        largest = logits.argmax(-1)
        near = logits.amax(-1) - logits.gather(-1, chosen[..., None])[..., 0] <= CLOSE
        right = (near & (chosen <= largest)) | (chosen == largest)
        promise = f"the most probable id of each step, of equals the lowest{when}"
        expect(bool(right.all()), promise, chosen[~right].tolist()[:5])
        nats = logits.log_softmax(-1).gather(-1, chosen[..., None])[..., 0]
        expect_close(scores, nats, f"log-probabilities of {rows} rows{when}")
        for tensor, other in zip(state_tensors(after), state_tensors(expected), strict=True):
            close = 10 * CLOSE * max(1.0, float(other.abs().max()))  # after so many steps
            expect_close(tensor, other, f"the state after {rows} rows{when}", close=close)
    return bool(take)


def _one_hots(ids: Tensor) -> Tensor:
    return nn.functional.one_hot(ids, SIZE).float()


def _expect_same_gradients(cell: nn.Module, actual: Result, expected: Result, when: str) -> None:
    trained = trained_parameters(cell)
    gradients = gradients_of(weighted_sum(actual), trained)
    for name, gradient in gradients_of(weighted_sum(expected), trained).items():
        close = CLOSE * max(1.0, float(gradient.abs().max()))
        promise = f"gradients for '{name}' through ids as through one-hot vectors{when}"
        expect_close(gradients[name], gradient, promise, close=close)
