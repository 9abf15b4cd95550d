"""A new run that begins with the weights and the vocabulary of another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import seqlab
from seqlab.errors import CheckpointError


@pytest.fixture
def first(tiny, registry):
    return seqlab.run(tiny, run_dir="first", registry=registry)


@pytest.fixture
def second(tiny, first, registry):
    """Begin a run with the first one's weights, on a text that begins with other characters."""
    Path("other.txt").write_text("so on, and over the lazy dog. " * 60, "utf-8")
    corpus = {"name": "text", "path": str(Path("other.txt").absolute())}

    def second(epochs=0, **sections):
        train = {"epochs": epochs, "init_from": str(first.path.absolute())}
        experiment = tiny | {"corpus": corpus, "train": train} | sections
        return seqlab.run(experiment, registry=registry)

    return second


def test_it_begins_with_the_weights_of_the_other(first, second):
    weights = first.model.state_dict()
    assert all(tensor.equal(weights[n]) for n, tensor in second().model.state_dict().items())


def test_it_reads_with_the_vocabulary_of_the_other(first, second):
    assert second().tokenizer.state_dict() == first.tokenizer.state_dict()


def test_it_learns_from_there(second, tiny, registry):
    begun = second(epochs=1).metrics[0]["loss"]
    fresh = seqlab.run(tiny, registry=registry).metrics[0]["loss"]
    assert begun < fresh


def test_weights_of_another_shape_are_refused_by_the_name_of_the_run(second):
    with pytest.raises(CheckpointError, match=r"first: the weights do not fit this model: .*size"):
        second(cell={"name": "rnn", "hidden_size": 17})


def test_it_is_resumed_without_the_other(second, registry):
    run = second(epochs=1)
    steps = run.description["step"]
    shutil.rmtree("first")
    longer = seqlab.resume(run.path, overrides=["train.epochs=2"], registry=registry)
    assert longer.description["step"] == 2 * steps
