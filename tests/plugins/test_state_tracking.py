"""Tasks of state tracking: each answer follows from all symbols before it, and is never read."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from seqlab_plugins.corpora.state_tracking import table_of

import seqlab
from seqlab.testing import check_corpus

NAMES = ("word_problem", "running_majority", "modular_arithmetic")


@pytest.fixture
def make(registry):
    """Build a small task."""

    def make(name, **options):
        sizes = {"symbols": 20, "train": 5, "valid": 3, "test": 2, "longer": [2, 4]}
        return registry.find("corpus", name).factory(**sizes | options)

    return make


def pairs(corpus, split="train"):
    """Symbols and answers of each sequence."""
    for ids, weights in corpus.documents(split):
        assert list(weights) == [0, 1] * (len(ids) // 2)
        yield ids[::2], ids[1::2]


@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_every_promise_of_a_corpus(registry, name):
    factory = registry.find("corpus", name).factory
    check_corpus(factory, symbols=20, train=5, valid=3, test=2, longer=[2])


def test_parity_is_that_of_the_ones_so_far(make):
    for symbols, answers in pairs(make("word_problem")):
        assert list(answers - 2) == list(symbols.cumsum() % 2)


def test_sums_are_modulo_five(make):
    for symbols, answers in pairs(make("word_problem", group="cyclic_5")):
        assert list(answers - 5) == list(symbols.cumsum() % 5)


@pytest.mark.parametrize(("group", "size"), [("s3", 3), ("s5", 5)])
def test_permutations_are_composed(make, group, size):
    elements = np.array(list(itertools.permutations(range(size))))
    for symbols, answers in pairs(make("word_problem", group=group)):
        so_far = np.arange(size)
        for symbol, answer in zip(symbols, answers, strict=True):
            so_far = so_far[elements[symbol]]
            assert list(elements[answer - len(elements)]) == list(so_far)


@pytest.mark.parametrize("group", ["parity", "cyclic_5", "s3", "s5"])
def test_a_table_of_products_is_that_of_a_group(group):
    table = table_of(group)
    numbers = np.arange(len(table))
    assert (table[0] == numbers).all()
    assert (table[:, 0] == numbers).all()
    assert (np.sort(table, 0) == numbers[:, None]).all()
    some = np.random.default_rng(0).choice(numbers, (3, 50))
    assert (
        table[table[some[0], some[1]], some[2]] == table[some[0], table[some[1], some[2]]]
    ).all()


def test_a_majority_is_more_ones_than_zeros(make):
    for symbols, answers in pairs(make("running_majority")):
        for place in range(1, 21):
            ones = int(symbols[:place].sum())
            assert answers[place - 1] == 2 + (ones > place - ones)


def test_values_are_computed_from_left_to_right(make):
    for symbols, answers in pairs(make("modular_arithmetic", modulus=7)):
        text = "0"
        for symbol, answer in zip(symbols, answers, strict=True):
            text = f"({text} {'+-*'[symbol // 7]} {symbol % 7})"
            assert answer - 21 == eval(text) % 7  # noqa: S307 # written above


@pytest.mark.parametrize("name", NAMES)
def test_further_splits_are_longer(make, name):
    corpus = make(name)
    assert corpus.splits == ("train", "valid", "test", "length_40", "length_80")
    lengths = {split: {len(ids) for ids, _ in corpus.documents(split)} for split in corpus.splits}
    assert lengths == {
        "train": {40},
        "valid": {40},
        "test": {40},
        "length_40": {80},
        "length_80": {160},
    }


def test_no_answer_is_an_input(registry, make):
    objective = registry.find("objective", "hidden_answers").factory(4)
    ids = torch.tensor(next(make("word_problem").documents("train"))[0])
    weights = torch.tensor([1.0, 0.0] * 20)[:39]
    batch = seqlab.Batch(ids[None, :39], ids[None, 1:40], torch.tensor([False]), weights[None])
    inputs = objective.prepare(batch, torch.zeros(1, 39)).inputs[0]
    assert torch.equal(inputs[::2], ids[:39:2])
    assert (inputs[1::2] == 3).all()


def test_a_run_tells_the_accuracy_of_longer_sequences(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = {"symbols": 8, "train": 64, "valid": 8, "test": 8, "longer": [2]}
    run = seqlab.run(
        {
            "corpus": {"name": "word_problem", **sizes},
            "tokenizer": "ids",
            "sampler": {"name": "random", "batch_size": 8, "window": 16, "partial": "keep"},
            "model": {"embedding": 8},
            "cell": {"name": "slstm", "hidden_size": 8, "heads": 2},
            "objective": "hidden_answers",
            "optimizer": {"name": "adam", "lr": 0.01},
            "train": {"steps": 3},
        }
    )
    found = run.evaluate("length_16", rows=8, window=32)
    assert found["tokens"] == 8 * 16
    assert 0 <= found["accuracy"] <= 1
