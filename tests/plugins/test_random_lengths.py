"""Windows of random lengths, offsets of epochs, and what is carried from one into the next."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from seqlab_plugins.random_lengths import RandomLengths
from seqlab_plugins.samplers import Consecutive

import seqlab
from seqlab import Tokens
from seqlab.training.epochs import Epochs
from seqlab.training.rated_step import rated_step


def numbered(count):
    return Tokens(np.arange(count), np.array([0]), None)


def lengths(sampler, epoch):
    count = sampler.batches(epoch)
    return [sampler.batch(epoch, index).inputs.shape[1] for index in range(count)]


def test_lengths_are_those_of_the_paper():
    sampler = RandomLengths(numbered(2_000_000), 0, batch_size=1, window=70)
    found = np.array(lengths(sampler, 0)[:-1])
    halves = found < 52
    assert halves.mean() == pytest.approx(0.05, abs=0.005)
    for part, mean in ((found[~halves], 70), (found[halves], 35)):
        assert part.mean() == pytest.approx(mean - 0.5, abs=0.5)  # they are rounded down
        assert part.std() == pytest.approx(5, abs=0.5)


def test_none_but_the_last_is_shorter_than_the_least_and_rates_follow_lengths():
    sampler = RandomLengths(numbered(9000), 3, batch_size=4, window=12, deviation=9, least=7)
    found = lengths(sampler, 2)
    assert min(found[:-1]) == 7
    assert sum(found) == 9000 // 4 - 1
    rates = [sampler.rate(2, index) for index in range(len(found))]
    assert rates == [length / 12 for length in found]


def test_epochs_have_other_lengths_and_each_is_the_same_again():
    one, two = (RandomLengths(numbered(5000), 1, batch_size=5) for _ in range(2))
    assert lengths(one, 0) != lengths(one, 1)
    assert [lengths(two, epoch) for epoch in (1, 0)] == [lengths(one, epoch) for epoch in (1, 0)]


def test_windows_follow_one_another():
    sampler = RandomLengths(numbered(3000), 1, batch_size=5, window=20)
    batches = [sampler.batch(0, index) for index in range(len(sampler))]
    assert not batches[0].continues.any()
    for before, after in pairwise(batches):
        assert after.continues.all()
        assert torch.equal(before.targets[:, -1], after.inputs[:, 0])


@pytest.mark.parametrize("make", [Consecutive, RandomLengths])
def test_a_state_is_carried_over_epochs_if_that_is_asked_for(make):
    for carries in (False, True):
        sampler = make(numbered(500), 0, batch_size=2, carry_over_epochs=carries)
        assert not sampler.batch(0, 0).continues.any()
        assert bool(sampler.batch(1, 0).continues.all()) == carries


def test_in_as_many_epochs_as_there_are_offsets_every_target_of_the_end_is_trained():
    options = {"batch_size": 4, "window": 9}
    plain = Consecutive(numbered(203), 0, **options)
    moved = Consecutive(numbered(203), 0, offsets="by_epoch", **options)
    never = set(range(1, 203))
    starts = []
    for epoch in range(moved.offsets):
        never &= {position for part in moved.left_out(epoch) for position in part}
        starts.append(int(moved.batch(epoch, 0).inputs[0, 0]))
    assert sorted(starts) == list(range(moved.offsets))
    assert len(never) == 0 < sum(map(len, plain.left_out(0)))
    assert moved.batch(moved.offsets, 0).inputs[0, 0] in starts


def test_offsets_of_what_is_kept_make_no_sense():
    with pytest.raises(ValueError, match="`partial: drop` leaves out"):
        Consecutive(numbered(99), 0, batch_size=2, partial="keep", offsets="by_epoch")


# -- in runs


def weights_after(run):
    return torch.cat([p.detach().flatten() for p in run.model.parameters()])


def test_the_rate_of_a_step_follows_the_length_of_its_window(tiny):
    """A plain step is the rate times the gradient, so twice the rate goes twice as far."""
    steps, rates = [], []
    for window in (8, 16):  # means, of which the same length is another share
        sampler = {"name": "random_lengths", "batch_size": 4, "window": window, "least": 5}
        sampler |= {"deviation": 0.0}
        experiment = {**tiny, "optimizer": {"name": "sgd", "lr": 0.5}, "sampler": sampler}
        runs = [
            seqlab.run(experiment, overrides=[f"train.steps={n}", "train.epochs=null"])
            for n in (0, 1)
        ]
        steps.append(float((weights_after(runs[1]) - weights_after(runs[0])).norm()))
        rates.append(runs[1].metrics[0]["lr"])
    assert rates == [0.5, 0.5]  # those of the schedule are reported
    plain = [
        seqlab.run(
            {**tiny, "optimizer": {"name": "sgd", "lr": 0.5}, "sampler": sampler},
            overrides=[
                f"sampler={{name: consecutive, batch_size: 4, window: {w}}}",
                "train.steps=1",
                "train.epochs=null",
            ],
        )
        for w in (8, 16)
    ]
    start = weights_after(seqlab.run(tiny, overrides=["train.epochs=0"]))
    assert steps == pytest.approx(
        [float((weights_after(run) - start).norm()) for run in plain], rel=1e-4
    )


def test_half_a_window_steps_half_as_far(tiny):
    class Half:
        def __len__(self):
            return 4

        def rate(self, epoch, index):
            return [1.0, 0.5, 0.0, 2.0][index]

    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    moves = []
    step = rated_step(optimizer, Half(), Epochs(Half(), 2), lambda: len(moves))
    for _ in range(2):
        before = float(weight.detach())
        weight.grad = torch.ones(1)
        step()
        moves.append(before - float(weight.detach()))
        assert optimizer.param_groups[0]["lr"] == 0.5
    assert moves == [0.5 * 0.75, 0.5 * 1.0]


def test_a_rate_that_is_no_number_is_a_mistake_of_the_sampler(tiny):
    class Wrong(Consecutive):
        def rate(self, epoch, index):
            return -1.0

    with pytest.raises(seqlab.PluginError, match="sampler Wrong: `rate` should be a number of 0"):
        seqlab.run({**tiny, "sampler": "wrong"}, plugins=[{"samplers": {"wrong": Wrong}}])
