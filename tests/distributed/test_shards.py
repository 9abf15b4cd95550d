"""Batches that are cut into shards train as whole ones do."""

from __future__ import annotations

import math

import pytest
import torch

import seqlab
from seqlab.model.state import leaves, map_state
from seqlab.training.sharded_gradients import interleaved

CELLS = [
    {"name": "lstm", "hidden_size": 9},
    {"name": "causal_attention", "hidden_size": 8},
    {"name": "gated_linear_attention", "hidden_size": 8},
]


@pytest.fixture
def weights(tiny):
    """Train a few steps; return the weights."""

    def weights(*, shards: int, rows: int = 8, **sections):
        experiment = tiny | {
            "sampler": {"name": "consecutive", "batch_size": rows, "window": 8},
            "optimizer": {"name": "sgd", "lr": 0.1, "clip_norm": 0.5},
            "train": {"steps": 6, "accumulate": 2, "shards": shards, "threads": 1},
            **sections,
        }
        run = seqlab.run(experiment)
        return torch.cat([value.flatten() for _, value in sorted(run.checkpoint.weights.items())])

    return weights


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell["name"])
def test_shards_change_the_order_of_sums_and_nothing_else(weights, cell):
    whole, cut = (weights(shards=shards, cell=cell) for shards in (1, 4))
    assert not torch.equal(whole, cut)
    assert cut.allclose(whole, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 3, 7])
def test_rows_that_do_not_divide_and_shards_without_rows_train_alike(weights, rows):
    assert weights(shards=4, rows=rows).allclose(weights(shards=1, rows=rows), atol=1e-6)


def test_each_shard_has_its_own_random_numbers(weights):
    dropped = {"model": {"dropout": 0.5, "embedding": 8}}
    assert not weights(shards=4, **dropped).allclose(weights(shards=1, **dropped), atol=1e-4)
    assert torch.equal(weights(shards=4, **dropped), weights(shards=4, **dropped))


def test_targets_count_by_their_weight_in_the_whole_batch(weights, tiny):
    documents = {"sampler": {"name": "documents", "batch_size": 5, "window": 7}}
    assert weights(shards=4, **documents).allclose(weights(shards=1, **documents), atol=1e-6)


def test_an_optimizer_that_evaluates_by_itself_hears_the_sum_of_all_shards(weights):
    sam = {"optimizer": {"name": "sam", "base": {"name": "sgd", "lr": 0.1}}}
    assert weights(shards=4, **sam).allclose(weights(shards=1, **sam), atol=1e-6)


def test_a_run_with_shards_goes_on_to_the_bit(tiny):
    experiment = tiny | {
        "model": {"dropout": 0.2, "embedding": 8},
        "train": {"steps": 9, "shards": 4, "checkpoint": {"every": 3, "keep": 9}},
    }
    whole = seqlab.run(experiment, run_dir="whole")
    rows = [{k: v for k, v in row.items() if "second" not in k} for row in whole.metrics]
    resumed = seqlab.resume("whole", checkpoint=3)
    assert rows == [{k: v for k, v in row.items() if "second" not in k} for row in resumed.metrics]


def test_evaluation_in_groups_is_that_of_the_whole_split(tiny):
    losses = []
    for shards in (1, 8):
        run = seqlab.run(
            tiny
            | {
                "corpus": tiny["corpus"] | {"holdout": 0.3},
                "train": {"steps": 0, "shards": shards},
                "evaluation": {"rows": 5},
            }
        )
        run = seqlab.resume(run.path, overrides={"train.steps": 1})
        losses.append(run.metrics[-1]["loss"])
        assert math.isclose(run.evaluate("valid")["loss"], losses[-1], rel_tol=1e-7)


def test_states_of_shards_lie_in_the_order_of_rows():
    whole = (torch.arange(7.0), (torch.arange(14).view(7, 2),))
    shards = [map_state(lambda t, s=s: t[s::4], whole) for s in range(4)]
    back = interleaved(shards)
    assert all(torch.equal(a, b) for a, b in zip(leaves(whole), leaves(back), strict=True))
    few = [map_state(lambda t, s=s: t[:2][s::4], whole) if s < 2 else () for s in range(4)]
    assert [len(leaf) for leaf in leaves(interleaved(few))] == [2, 2]


@pytest.mark.parametrize("shards", [3, 0, 2048])
def test_shards_are_a_power_of_two(tiny, shards):
    with pytest.raises(seqlab.ExperimentError, match=r"train\.shards"):
        seqlab.run(tiny | {"train": {"steps": 1, "shards": shards}})
