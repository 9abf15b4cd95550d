"""A running average of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import seqlab
from seqlab.training.average import Average


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def test_the_average_is_that_of_the_formula(model):
    average, expected = Average(model, 0.5), model[0].weight.detach().clone()
    for update in range(1, 12):
        model[0].weight.data += 1
        average.update()
        decay = min(0.5, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * model[0].weight.detach()
    assert average.tensors["0.weight"].allclose(expected)


def test_floating_buffers_are_averaged_and_counters_are_not(model):
    names = Average(model, 0.5).tensors
    assert "1.running_mean" in names
    assert "1.num_batches_tracked" not in names


def test_the_model_has_the_average_for_a_while(model):
    average, live = Average(model, 0.5), model[0].weight.detach().clone()
    average.tensors["0.weight"].zero_()
    with average.in_place():
        assert not model[0].weight.any()
    assert model[0].weight.equal(live)
    assert not average.tensors["0.weight"].any()


def test_the_model_gets_its_weights_back_after_an_error(model):
    average, live = Average(model, 0.5), model[0].weight.detach().clone()
    average.tensors["0.weight"].zero_()
    with pytest.raises(ZeroDivisionError), average.in_place():
        _ = 1 / 0
    assert model[0].weight.equal(live)


def test_a_step_that_was_not_taken_leaves_the_average_without_being_read(model):
    told, plain = Average(model, 0.5), Average(model, 0.5)
    model[0].weight.data += 1
    told.update(torch.tensor(True))
    plain.update()
    assert told.tensors["0.weight"].allclose(plain.tensors["0.weight"])
    before = told.tensors["0.weight"].clone()
    model[0].weight.data.fill_(torch.nan)
    told.update(torch.tensor(False))
    assert told.tensors["0.weight"].equal(before)


def test_weights_stay_where_they_are_in_memory(model):
    average, addresses = Average(model, 0.5), [p.data_ptr() for p in model.parameters()]
    with average.in_place():
        assert [p.data_ptr() for p in model.parameters()] == addresses
    assert [p.data_ptr() for p in model.parameters()] == addresses


def test_averaging_changes_nothing_of_the_training(full, registry, facts):
    averaged = seqlab.run(full, registry=registry).checkpoint
    full["train"]["average"] = None
    plain = seqlab.run(full, registry=registry).checkpoint
    live = averaged.state["weights"]
    assert all(tensor.equal(live[name]) for name, tensor in plain.weights.items())
    assert not any(tensor.equal(averaged.weights[name]) for name, tensor in plain.weights.items())


def test_what_is_evaluated_is_the_average(full, registry):
    run = seqlab.run(full, registry=registry)
    weights = run.checkpoint.state["training"]["average"]["tensors"]
    assert all(tensor.equal(weights[name]) for name, tensor in run.model.named_parameters())
    assert run.evaluate()["loss"] == pytest.approx(run.metrics[-1]["loss"], rel=1e-9)


def test_tied_weights_are_averaged_as_one(full, registry):
    full["model"] |= {"tie_weights": True}
    run = seqlab.run(full, registry=registry)
    weights = run.checkpoint.weights
    assert torch.equal(weights["embedding.weight"], weights["head.weight"])
    assert run.evaluate()["loss"] == pytest.approx(run.metrics[-1]["loss"], rel=1e-9)
