"""Truncated backpropagation: against a loop in plain torch, and to the bit."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

import seqlab
from seqlab.errors import RunFailed
from seqlab.experiment.sections import Train
from seqlab.training.epochs import Epochs
from seqlab.training.objective import Columns
from seqlab.training.step import RunningEpoch

DICE = """
import random

import numpy as np
import torch

from seqlab import hookimpl


class Dice:
    def seqlab_step_ended(self, record):
        torch.rand(7), np.random.rand(7), random.random()


@hookimpl
def seqlab_register_observers():
    return {"dice": Dice}
"""
SGD = {"name": "sgd", "lr": 1.0}
OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop", "adagrad", "muon")


def perplexities(training, epochs) -> list[float]:
    results, epoch = [], RunningEpoch(Columns())
    for step in training.steps(epochs * len(training.sampler)):
        epoch.add(step)
        if step.ends_epoch:
            results.append(epoch.record(step).perplexity)
            epoch = RunningEpoch(Columns())
    return results


class PlainTorch:
    """The same RNN over one-hots with the same weights, trained as a textbook would."""

    def __init__(self, model) -> None:
        self.vocabulary = model.head.out_features
        self.rnn = nn.RNN(self.vocabulary, model.head.in_features, batch_first=True).double()
        self.rnn.load_state_dict(model.layers[0].cell.layers[0].state_dict())
        self.head = nn.Linear(model.head.in_features, self.vocabulary).double()
        self.head.load_state_dict(model.head.state_dict())
        self.optimizer = torch.optim.SGD([*self.rnn.parameters(), *self.head.parameters()], lr=0.5)

    def epoch(self, batches) -> float:
        """Perplexity of an epoch that starts fresh and carries its state from batch to batch."""
        state, total, count = None, 0.0, 0
        for inputs, targets in batches:
            one_hot = functional.one_hot(inputs, self.vocabulary).double()
            outputs, state = self.rnn(one_hot, state if state is None else state.detach())
            loss = functional.cross_entropy(self.head(outputs).flatten(0, 1), targets.flatten())
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += float(loss.detach()) * targets.numel()
            count += targets.numel()
        return math.exp(total / count)


class Always:
    """A sampler of one batch."""

    def __init__(self, batch) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return 1

    def batch(self, epoch, index):
        return self._batch


def test_two_epochs_give_the_perplexities_of_a_loop_in_plain_torch(training):
    ours = training()
    plain = PlainTorch(ours.model)
    batches = [ours.sampler.batch(0, i)[:2] for i in range(len(ours.sampler))]
    expected = [plain.epoch(batches), plain.epoch(batches)]
    assert perplexities(ours, 2) == pytest.approx(expected, rel=1e-6)


def test_windows_that_do_not_continue_start_fresh(training):
    sampler = {"name": "random", "batch_size": 4, "window": 8}
    ours = training(sampler=sampler)
    plain, expected = PlainTorch(ours.model), 0.0
    for index in range(len(ours.sampler)):
        expected += math.log(plain.epoch([ours.sampler.batch(0, index)[:2]]))
    assert math.log(perplexities(ours, 1)[0]) == pytest.approx(expected / len(ours.sampler))


def test_without_clipping_a_step_of_sgd_is_the_gradient(steps):
    before, metrics, after = steps(1, optimizer=SGD)
    assert metrics[0]["gradient_norm"] == pytest.approx(float((before - after).norm()), rel=1e-4)


def test_clipping_shortens_the_gradient_and_keeps_its_direction(steps):
    before, _, free = steps(1, optimizer=SGD)
    _, _, clipped = steps(1, optimizer=SGD | {"clip_norm": 0.01})
    assert float((before - clipped).norm()) == pytest.approx(0.01, rel=1e-3)
    cosine = functional.cosine_similarity(before - clipped, before - free, dim=0)
    assert float(cosine) == pytest.approx(1, abs=1e-4)


def test_the_norm_that_is_reported_is_the_one_before_clipping(steps):
    _, free, _ = steps(1, optimizer=SGD)
    _, clipped, _ = steps(1, optimizer=SGD | {"clip_norm": 0.01})
    assert clipped[0]["gradient_norm"] == free[0]["gradient_norm"] > 0.01


def test_a_norm_that_is_never_reached_changes_nothing(steps):
    assert steps(3, optimizer=SGD | {"clip_norm": 1e6})[2].equal(steps(3, optimizer=SGD)[2])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_clipping_reaches_every_optimizer(steps, name):
    before, _, free = steps(1, optimizer={"name": name})
    _, _, clipped = steps(1, optimizer={"name": name, "clip_norm": 1e-14})
    assert (clipped - before).abs().max() < 0.01 * (free - before).abs().max()


def test_the_same_seed_gives_the_same_bits(trained):
    model = {"embedding": 8, "dropout": 0.5}
    assert trained(model=model)[1].equal(trained(model=model)[1])


def test_another_seed_gives_other_weights(steps, trained):
    _, first = trained(train={"steps": 0, "seed": 1})
    _, second = trained(train={"steps": 0, "seed": 2})
    assert not first.isclose(second).any()


def test_an_observer_that_draws_random_numbers_changes_nothing(trained):
    Path("plugins").mkdir()
    Path("plugins/dice.py").write_text(DICE, "utf-8")
    model = {"embedding": 8, "dropout": 0.5}
    _, watched = trained(seqlab.load_plugins(), model=model, observers=["dice"])
    assert watched.equal(trained(model=model)[1])


def test_what_is_for_a_gpu_changes_nothing_on_a_cpu(trained):
    assert trained(train={"epochs": 1, "cuda_graphs": True})[1].equal(trained()[1])


def test_every_step_drops_other_values(training):
    ours = training(lr=0.0, model={"embedding": 8, "dropout": 0.5})
    ours.sampler = Always(ours.sampler.batch(0, 0))
    assert len({step.loss for step in ours.steps(3)}) == 3


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "min_gru"])
def test_a_state_that_was_copied_to_the_models_device_can_be_trained_on(
    training, cell, monkeypatch
):
    """As on a GPU, where bringing it there makes other tensors."""
    model = {"embedding": 8}
    before, after = (training(cell=cell, model=model) for _ in range(2))
    list(before.steps(2))
    state, moved = before.state_dict(), torch.Tensor.to
    with monkeypatch.context() as own:
        own.setattr(torch.Tensor, "to", lambda *rest, **more: moved(*rest, **more, copy=True))
        after.load_state_dict(state)
    (step,) = after.steps(3)
    assert math.isfinite(step.loss)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_step_that_is_not_finite_is_named_and_not_taken(training, bad):
    ours = training()
    list(ours.steps(len(ours.sampler) + 2))
    ours.model.head.bias.data[0] = bad
    before = {name: p.clone() for name, p in ours.model.named_parameters()}
    with pytest.raises(RunFailed) as caught:
        list(ours.steps(1_000))
    message = f"step {len(ours.sampler) + 3} (number 3 of epoch 2) is not finite: its loss is "
    assert str(caught.value).startswith(message)
    assert all(p.equal(before[n]) or n == "head.bias" for n, p in ours.model.named_parameters())


def test_a_run_that_diverges_fails_with_its_loss_norm_and_rate(trained):
    message = r"step 2 .* loss is (nan|inf), the gradient norm \S+, the learning rate 1e\+38"
    with pytest.raises(RunFailed, match=message):
        trained(optimizer={"name": "adam", "lr": 1e38})


def test_the_rate_that_is_reported_is_that_of_the_step(trained):
    schedule = {"name": "linear"}
    metrics, _ = trained(optimizer=SGD, schedule=schedule, train={"steps": 4})
    assert metrics[-1]["lr"] == pytest.approx(0.25)


def test_targets_of_no_weight_change_nothing(training):
    last, results = torch.tensor(7), []
    for wrong in (0, 1):
        ours = training()
        batch = ours.sampler.batch(0, 0)
        weights = torch.ones(batch.targets.shape).index_fill(1, last, 0)
        targets = batch.targets.index_fill(1, last, wrong)
        ours.sampler = Always(batch._replace(targets=targets, weights=weights))
        results.append([step.loss for step in ours.steps(3)])
    assert results[0] == results[1]


@pytest.mark.parametrize("optimizer", [SGD, {"name": "adam"}, SGD | {"clip_norm": 0.01}])
def test_two_batches_accumulated_are_one_of_twice_the_rows(trained, optimizer):
    small = {"name": "random", "batch_size": 4, "window": 8}
    sections = {"optimizer": optimizer, "model": {"embedding": 8}}
    two = trained(**sections, sampler=small, train={"steps": 9, "accumulate": 2})[1]
    one = trained(**sections, sampler=small | {"batch_size": 8}, train={"steps": 9})[1]
    assert two.allclose(one, atol=1e-6)


def test_accumulated_batches_count_by_their_weight_and_not_alike(training):
    results = []
    for empty in (0.0, 1.0):
        ours = training()
        ours.settings = Train(accumulate=2)
        first, second = (ours.sampler.batch(0, index) for index in (0, 1))
        weights = torch.full(second.targets.shape, empty)
        ours.sampler = Pair(first, second._replace(weights=weights))
        ours.epochs = Epochs(ours.sampler, 2)
        results.append(next(ours.steps(1)))
    assert [float(step.sums.values[1]) for step in results] == [32, 64]
    assert results[0].loss != results[1].loss


class Pair:
    """A sampler of two batches."""

    def __init__(self, *batches) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return 2

    def batch(self, epoch, index):
        return self._batches[index]


def test_groups_of_batches_end_with_the_epoch(trained):
    metrics, _ = trained(train={"epochs": 2, "accumulate": 5})
    assert [row["step"] for row in metrics] == [13, 26]  # 62 batches: twelve fives and a two
    assert {row["tokens"] for row in metrics} == {62 * 4 * 8}


def test_the_schedule_counts_steps_and_not_batches(trained):
    train = {"epochs": 1, "accumulate": 5}
    metrics, _ = trained(optimizer=SGD, schedule="linear", train=train)
    assert metrics[-1]["lr"] == pytest.approx(1 / 13)


def test_a_skipped_step_leaves_the_weights_and_the_next_one_starts_fresh(training, caplog):
    ours = training()
    ours.settings = Train(on_nonfinite="skip")
    list(ours.steps(3))
    before = {name: p.clone() for name, p in ours.model.named_parameters()}
    good = ours.model.head.bias.data[0].clone()
    ours.model.head.bias.data[0] = math.nan
    (step,) = ours.steps(4)
    ours.model.head.bias.data[0] = good
    assert not step.finite
    assert ours.state is None
    assert all(p.equal(before[name]) for name, p in ours.model.named_parameters())
    assert "Step 4 (number 4 of epoch 1) is not finite" in caplog.text
    assert math.isfinite(next(ours.steps(5)).loss)


def test_bfloat16_learns_as_float32_does(trained):
    train = {"epochs": 2}
    exact, _ = trained(train=train)
    rough, weights = trained(train=train | {"precision": "bfloat16"})
    assert rough[-1]["loss"] == pytest.approx(exact[-1]["loss"], rel=0.02)
    assert weights.dtype == torch.float32


def test_an_average_lies_between_the_first_and_the_last_weights(trained):
    _, first = trained(train={"steps": 0})
    _, last = trained(train={"steps": 40})
    _, average = trained(train={"steps": 40, "average": 0.99})
    assert 0 < float((average - last).norm()) < float((first - last).norm())
