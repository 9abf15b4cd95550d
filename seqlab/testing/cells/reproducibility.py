"""What a cell promises of saved weights and of seeds."""

from __future__ import annotations

import torch

from seqlab.testing.cells.inputs import SIZE, build_cell, draw_inputs, expect_same
from seqlab.testing.promises import Subject, expect
from seqlab.testing.random_states import UNUSED_SEED, random_states_left_alone


@torch.no_grad()
def weights_survive_saving(subject: Subject) -> None:
    """Another cell that loads the `state_dict` gives the same, to the bit."""
    saved, loaded, inputs = build_cell(subject), build_cell(subject, seed=9), draw_inputs()
    loaded.load_state_dict({name: t.clone() for name, t in saved.state_dict().items()})
    promise = "loaded weights to give the same"
    expect_same(loaded(inputs, None), saved(inputs, None), promise, close=0.0)


def seed_decides_everything(subject: Subject) -> None:
    """Under one seed cells are built and train alike; none sets a seed, or draws in evaluation."""
    inputs = draw_inputs()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        trained = []
        for _ in range(2):
            cell = build_cell(subject).train()
            torch.manual_seed(7)
            trained.append(cell(inputs, None))
        expect_same(trained[0], trained[1], "one seed to give the same in training", close=0.0)
    with torch.no_grad(), random_states_left_alone():
        cell.eval()(inputs, None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNUSED_SEED)
        subject.build(SIZE)
        seed = torch.initial_seed()
    promise = "torch's seed to be left alone while it is built"
    expect(seed == UNUSED_SEED, promise, f"it is now {seed}")
