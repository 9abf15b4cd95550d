"""`train.init_from` with `take: fitting`: what fits is taken, and what is left is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

import seqlab
from seqlab.errors import CheckpointError

RECURRENT = "layers.0.cell.layers.0.weight_hh_l0"
INPUT = "layers.0.cell.layers.0.weight_ih_l0"
GROWN = "a wholly new text: Ärger, und so weiter? " * 40  # it lacks some letters, and has others


@pytest.fixture
def first(tiny, registry):
    return seqlab.run(tiny, run_dir="first", registry=registry)


@pytest.fixture
def second(tiny, first, registry):
    """A run that takes what fits of the first one, with other sections and another text."""

    def second(text=None, steps=0, run="first", **sections):
        experiment = tiny | sections
        if text is not None:
            Path("other.txt").write_text(text, "utf-8")
            experiment["corpus"] = {"name": "text", "path": str(Path("other.txt").absolute())}
        experiment["train"] = {
            "steps": steps,
            "init_from": {"run": run, "take": "fitting"},
            **sections.get("train", {}),
        }
        return seqlab.run(experiment, registry=registry)

    return second


def _weights(run):
    return run.checkpoint.weights


def _letters(run):
    return [run.tokenizer.token_bytes(token) for token in range(run.tokenizer.size)]


def test_of_the_same_model_and_text_everything_is_taken(first, second):
    run = second()
    assert all(weight.equal(_weights(first)[name]) for name, weight in _weights(run).items())
    noted = run.description["init_from"]
    assert noted["tokens"] == first.tokenizer.size
    assert set(noted["taken"]) == set(_weights(first))
    assert (noted["fresh"], noted["unused"]) == ({}, [])
    assert noted["id"] == first.description["id"]


@pytest.mark.parametrize("model", [{}, {"embedding": 16}, {"embedding": 16, "tie_weights": True}])
def test_of_another_vocabulary_each_token_gets_what_it_had(model, tiny, second, registry):
    big = seqlab.run(tiny | {"model": model}, run_dir="big", registry=registry)
    text = GROWN
    fresh = second(text, model=model, train={"init_from": None})
    run = second(text, model=model, run="big")
    axes = {"head.weight": 0, "head.bias": 0, **({"embedding.weight": 0} if model else {INPUT: 1})}
    before, now = _letters(big), _letters(run)
    assert {*now} - {*before}
    assert {*before} & {*now}
    for name, axis in axes.items():
        for index, letter in enumerate(now):
            known = letter in before
            source, place = (big, before.index(letter)) if known else (fresh, index)
            expected = _weights(source)[name].select(axis, place)
            assert _weights(run)[name].select(axis, index).equal(expected), (name, letter)
    assert _weights(run)[RECURRENT].equal(_weights(big)[RECURRENT])


def test_a_vocabulary_of_the_same_size_in_another_order_is_no_trap(first, second):
    run = second("on so and dog, lazy the over jumps fox brown quick the. " * 36)
    before, now = _letters(first), _letters(run)
    assert before != now
    assert sorted(before) == sorted(now)
    order = [before.index(letter) for letter in now]
    assert _weights(run)[INPUT].equal(_weights(first)[INPUT][:, order])
    assert _weights(run)["head.weight"].equal(_weights(first)["head.weight"][order])


def test_another_cell_leaves_what_does_not_fit_and_says_so(second, caplog):
    caplog.set_level("INFO")
    run = second(cell={"name": "rnn", "hidden_size": 17})
    noted = run.description["init_from"]
    assert noted["taken"] == ["head.bias"]
    assert noted["fresh"][RECURRENT] == "(16, 16) there, (17, 17) here"
    assert RECURRENT in noted["unused"]
    lines = [record.getMessage() for record in caplog.records if "init_from" in record.getMessage()]
    assert "1 weights are taken, with 29 of 29 tokens" in lines[0]
    assert f"start afresh: {INPUT} ((16, 29) there, (17, 29) here)" in lines[1]
    assert "these of its weights are not used" in lines[2]
    assert len(lines) == 3


def test_a_layer_more_starts_afresh(first, second):
    run = second(model={"layers": 2})
    assert _weights(run)[RECURRENT].equal(_weights(first)[RECURRENT])
    fresh = run.description["init_from"]["fresh"]
    assert set(fresh.values()) == {"it has none"}
    assert all(name.startswith("layers.1.") for name in fresh)


def test_a_run_of_which_nothing_fits_is_refused(second):
    with pytest.raises(CheckpointError) as caught:
        second(cell={"name": "min_gru", "hidden_size": 17}, text="01" * 900)
    assert str(caught.value) == "experiment: train.init_from: no weight of first fits this model"


def test_it_is_resumed_to_the_bit_without_the_other_run(second, facts, registry):
    train = {"checkpoint": {"every": 5, "keep": 99}}
    run = second(GROWN, steps=12, train=train)
    shutil.rmtree("first")
    copy = shutil.copytree(run.path, "copy")
    resumed = seqlab.resume(copy, checkpoint=5, registry=registry)
    assert facts(resumed) == facts(run)
    assert resumed.description["init_from"] == run.description["init_from"]


def test_a_mapping_may_also_take_all(tiny, first, registry):
    train = {"steps": 0, "init_from": {"run": "first"}}
    run = seqlab.run(tiny | {"train": train}, registry=registry)
    assert run.tokenizer.state_dict() == first.tokenizer.state_dict()
    assert torch.equal(_weights(run)[RECURRENT], _weights(first)[RECURRENT])
    assert "init_from" not in run.description


def test_new_tokens_are_refused_where_the_vocabulary_is_taken(tiny, first, registry):
    train = {"steps": 1, "init_from": {"run": "first", "new_tokens": "mean"}}
    words = r"train\.init_from\.new_tokens: there are none where the vocabulary is taken too"
    with pytest.raises(seqlab.ExperimentError, match=words):
        seqlab.run(tiny | {"train": train}, registry=registry)


def test_what_is_counted_is_not_taken_by_token(tiny, second, registry):
    """The ranks of an adaptive softmax are those of its own text."""
    model = {"embedding": 16, "head": {"name": "adaptive_softmax", "cutoffs": [4]}}
    big = seqlab.run(tiny | {"model": model}, run_dir="big", registry=registry)
    run = second(GROWN, model=model, run="big")
    assert "head.ranks" in run.description["init_from"]["fresh"]
    ranks = _weights(run)["head.ranks"]
    assert sorted(ranks.tolist()) == list(range(run.tokenizer.size))
    assert sorted(_weights(big)["head.ranks"].tolist()) == list(range(big.tokenizer.size))
