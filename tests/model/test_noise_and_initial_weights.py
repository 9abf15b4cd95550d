"""`model.dropout` by place and by mask, and `model.initial`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import seqlab
from seqlab import ExperimentError
from seqlab.model.stack import dropped


def test_a_locked_mask_is_the_same_for_all_steps_of_a_window_and_another_for_each_row():
    torch.manual_seed(0)
    values = dropped(torch.ones(3, 50, 40), 0.5, True, True)
    assert torch.equal(values, values[:, :1].expand_as(values))
    assert not torch.equal(values[0], values[1])
    assert set(values.unique().tolist()) == {0.0, 2.0}


def test_without_training_nothing_is_dropped():
    ones = torch.ones(2, 3, 4)
    assert dropped(ones, 0.5, False, True) is ones


def model_of(settings, tiny, *overrides):
    run = seqlab.run({**tiny, "model": settings}, overrides=["train.epochs=0", *overrides])
    return run.model


def test_each_place_has_its_own_share(tiny):
    places = {"embedding": 0.3, "layers": 0.2, "outputs": 0.1, "locked": True}
    found = {}
    for place in ("embedding", "outputs"):
        share = {"locked": True, place: 0.9}
        model = model_of({"embedding": 8, "dropout": share}, tiny).train()
        torch.manual_seed(1)
        ids = torch.zeros(1, 6, dtype=torch.int64)
        vectors, hidden = model.embed(ids), model.hidden(ids, None)[0]
        found[place] = [bool((part == 0).any()) for part in (vectors, hidden)]
    assert found == {"embedding": [True, False], "outputs": [False, True]}
    layers = model_of({"layers": 2, "dropout": places}, tiny).layers
    assert (layers.dropout, layers.locked) == (0.2, True)


def test_one_share_is_that_of_all_places_and_draws_what_it_drew(tiny):
    runs = [
        seqlab.run({**tiny, "model": {"embedding": 8, "dropout": dropout}})
        for dropout in (0.3, {"embedding": 0.3, "layers": 0.3, "outputs": 0.3})
    ]
    assert runs[0].metrics[-1]["loss"] == runs[1].metrics[-1]["loss"]


def test_all_weights_are_in_a_range(tiny):
    model = model_of({"initial": {"range": 0.05}}, tiny)
    largest = {name: float(p.detach().abs().max()) for name, p in model.named_parameters()}
    assert all(0.02 < value <= 0.05 for value in largest.values())


def test_a_later_entry_counts_and_names_are_patterns(tiny):
    initial = [
        {"range": 0.1},
        {"match": ["*weight_hh*"], "orthogonal": True},
        {"match": ["*.bias_ih*", "*.bias_hh*"], "value": 0},
        {"match": ["*.bias_hh*"], "forget_bias": 1.5},
    ]
    cell = {"name": "lstm", "hidden_size": 8}
    weights = dict(model_of({"initial": initial}, {**tiny, "cell": cell}).named_parameters())
    layer = "layers.0.cell.layers.0."
    for block in weights[f"{layer}weight_hh_l0"].chunk(4):
        assert torch.allclose(block @ block.T, torch.eye(8), atol=1e-5)
    assert weights[f"{layer}bias_hh_l0"].tolist() == [0.0] * 8 + [1.5] * 8 + [0.0] * 16
    assert not weights[f"{layer}bias_ih_l0"].any()
    assert float(weights[f"{layer}weight_ih_l0"].detach().abs().max()) <= 0.1


def test_an_orthogonal_matrix_that_is_no_stack_of_squares_has_orthogonal_rows(tiny):
    initial = {"match": ["*weight_ih*"], "orthogonal": True}
    weights = dict(model_of({"embedding": 11, "initial": initial}, tiny).named_parameters())
    matrix = weights["layers.0.cell.layers.0.weight_ih_l0"]  # (16, 11)
    assert torch.allclose(matrix.T @ matrix, torch.eye(11), atol=1e-5)


@pytest.mark.parametrize(
    ("initial", "message"),
    [
        ({"match": ["*"]}, "model.initial: should have one of range, orthogonal, value, forget_"),
        ([{"range": 0.1, "value": 1.0}], "model.initial.0: should have one of"),
        ([{"match": ["*wieght*"], "range": 1.0}], "initial.0.match: no parameter has a name like"),
        ({"orthogonal": True}, r"orthogonal: layers.0.cell.layers.0.bias_ih_l0 has the shape \(16"),
        ({"match": ["*bias*"], "range": -1}, "range: should be greater than 0; it is -1"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(tiny, initial, message):
    with pytest.raises(ExperimentError, match=message):
        seqlab.run({**tiny, "model": {"initial": initial}})


def test_an_experiment_without_these_keys_has_the_hash_that_it_had(tiny):
    run = seqlab.run(tiny)
    text = (run.path / "resolved.yaml").read_text()
    assert "initial" not in text
    assert "dropout: 0.0" in text


def test_activations_are_penalised_as_the_paper_has_it(tiny):
    factors = {"activation": 2.0, "temporal_activation": 3.0}
    plain, both = (
        seqlab.run({**tiny, "objective": {"name": "next_token", **options}, "train": {"steps": 1}})
        for options in ({}, factors)
    )
    fresh = seqlab.run({**tiny, "train": {"steps": 0}}).model.train()
    # the first batch: four parts of the text, side by side
    text = Path(tiny["corpus"]["path"]).read_text()
    stride = len(text) // 4
    ids = torch.stack(
        [torch.from_numpy(both.tokenizer.encode(text[i * stride :][:8])).long() for i in range(4)]
    )
    hidden = fresh.hidden(ids, None)[0].double()
    row = both.metrics[0]
    assert row["activation"] == pytest.approx(2 * float(hidden.square().mean().detach()), rel=1e-5)
    change = (hidden[:, 1:] - hidden[:, :-1]).square().mean()
    assert row["temporal_activation"] == pytest.approx(3 * float(change.detach()), rel=1e-5)
    assert row["loss"] == pytest.approx(plain.metrics[0]["loss"])
