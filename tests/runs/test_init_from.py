"""A new run that begins with the weights and the vocabulary of another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import seqlab
from seqlab.errors import CheckpointError, UsageError


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


def test_weights_of_another_model_are_refused_with_what_that_has(second):
    with pytest.raises(CheckpointError) as caught:
        second(cell={"name": "rnn", "hidden_size": 17})
    assert str(caught.value) == (
        f"experiment: train.init_from: {Path('first').absolute()} has another model:"
        " {cell.hidden_size: 16} instead of {cell.hidden_size: 17}; use the same, or"
        " leave this out"
    )


@pytest.mark.parametrize("init_from", ["nowhere", {"run": "nowhere", "take": "fitting"}])
def test_a_run_that_is_not_there_is_told_with_the_place(tiny, init_from):
    with pytest.raises(UsageError, match=r"^experiment: train.init_from: run 'nowhere': there is"):
        seqlab.run(tiny | {"train": {"epochs": 1, "init_from": init_from}})


WIDE = """
    import seqlab
    from seqlab_plugins.cells.recurrent import RNN

    def wide(input_size: int, *, hidden_size: int = 4):
        return RNN(input_size, hidden_size=TIMES * hidden_size)

    @seqlab.hookimpl
    def seqlab_register_cells():
        return {"wide": wide}
"""


def test_weights_that_a_plugin_gives_another_shape_by_now_are_told_by_their_shape(drop, tiny):
    drop(WIDE.replace("TIMES", "1"))
    seqlab.run(tiny | {"cell": "wide"}, run_dir="before")
    drop(WIDE.replace("TIMES", "2"))
    message = r"^before: .*weight_ih_l0 was \(4, 29\) and is \(8, 29\); and 4 others$"
    with pytest.raises(CheckpointError, match=message):
        seqlab.run(tiny | {"cell": "wide", "train": {"epochs": 1, "init_from": "before"}})


def test_it_is_resumed_without_the_other(second, registry):
    run = second(epochs=1)
    steps = run.description["step"]
    shutil.rmtree("first")
    longer = seqlab.resume(run.path, overrides=["train.epochs=2"], registry=registry)
    assert longer.description["step"] == 2 * steps
