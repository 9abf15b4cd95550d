"""Overrides as Python has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqlab.errors import ExperimentError, UsageError
from seqlab.experiment import read_experiment
from seqlab.experiment.located import plain
from seqlab.experiment.overrides import as_overrides

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(value=VALUES)
def test_a_value_comes_through_as_it_was(value):
    experiment = read_experiment({"cell": {"name": "x"}}, {"cell.option": value})
    assert plain(experiment.tree)["cell"]["option"] == value


@pytest.mark.parametrize(
    ("mapping", "texts"),
    [
        ({"cell": "gru", "optimizer.lr": 1e-2}, ("cell=gru", "optimizer.lr=0.01")),
        (
            {"train": {"epochs": 2, "stop": {"patience": 3}}},
            ("train.epochs=2", "train.stop.patience=3"),
        ),
        ({"cell": {"name": "gru", "hidden_size": 4}}, ("cell={name: gru, hidden_size: 4}",)),
        ({"cell": {"layers": {1: {"hidden_size": 4}}}}, ("cell.layers.1.hidden_size=4",)),
        ({"corpus.path": Path("a b.txt")}, ("corpus.path=a b.txt",)),
        (
            {"optimizer.lr": np.float64(0.5), "train.seed": np.int64(3)},
            ("optimizer.lr=0.5", "train.seed=3"),
        ),
        ({"decoder.stop": "no"}, ("decoder.stop='no'",)),
        ({}, ()),
        (["cell=gru"], ("cell=gru",)),
    ],
)
def test_a_mapping_says_what_a_list_of_texts_says(mapping, texts):
    assert as_overrides(mapping) == texts


def test_a_mapping_without_a_name_leaves_the_rest_of_a_section():
    experiment = read_experiment({"train": {"epochs": 1, "seed": 7}}, {"train": {"epochs": 2}})
    assert plain(experiment.tree)["train"] == {"epochs": 2, "seed": 7}


@pytest.mark.parametrize(
    "wrong", ["cell=gru", 3, [("cell", "gru")], {"a=b": 1}, {None: 1}, {True: 1}]
)
def test_overrides_that_are_none_are_refused(wrong):
    with pytest.raises(UsageError, match="overrides"):
        as_overrides(wrong)


def test_a_value_that_no_experiment_holds_is_refused_by_its_key():
    with pytest.raises(ExperimentError, match=r"overrides: cell\.size: an experiment holds"):
        as_overrides({"cell": {"size": {1, 2}}})
