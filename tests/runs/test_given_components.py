"""From Python a component needs no file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import seqlab
from seqlab.errors import UsageError


class PlainUnit(nn.Module):
    """A recurrent unit.

    Args:
        hidden_size: H.
    """

    def __init__(self, input_size: int, *, hidden_size: int = 8) -> None:
        super().__init__()
        self.output_size, self.state_shape = hidden_size, (hidden_size,)
        self.linear = nn.Linear(input_size + hidden_size, hidden_size)

    @seqlab.unroll
    def forward(self, inputs, state):
        state = torch.tanh(self.linear(torch.cat([inputs, state], -1)))
        return state, state


class Loudest:
    """The most probable token."""

    def choose(self, logits, history, uniform):
        return logits.argmax(-1)


class Ends:
    """Is told of the end."""

    told: list[str] = []  # noqa: RUF012

    def seqlab_run_ended(self, record):
        self.told.append(record.status)


GIVEN = [PlainUnit, Loudest, {"observers": {"ends": Ends}}]


@pytest.fixture
def experiment(tiny):
    return tiny | {"cell": {"name": "plain_unit", "hidden_size": 6}, "decoder": "loudest"}


def test_classes_are_components_by_what_they_are(experiment):
    run = seqlab.run(experiment | {"observers": ["ends"]}, plugins=GIVEN, run_dir="here")
    assert run.description["plugins"][-1]["name"] == "given"
    assert run.generate("the", length=3)[0].text.startswith("the")
    assert Ends.told[-1] == "finished"
    assert seqlab.open_run("here", plugins=GIVEN).generate("the", length=3)


def test_the_run_keeps_their_source_and_goes_on_from_it(experiment):
    whole = seqlab.run(experiment, plugins=GIVEN, run_dir="whole", overrides=["train.epochs=2"])
    seqlab.run(experiment, plugins=GIVEN, run_dir="here", overrides=["train.epochs=1"])
    assert "class PlainUnit(nn.Module)" in Path("here/plugins/given.py").read_text()
    kept = seqlab.load_plugins("here/plugins")
    again = seqlab.resume("here", overrides=["train.epochs=2"], registry=kept)
    assert [row["loss"] for row in again.metrics] == [row["loss"] for row in whole.metrics]


def test_without_them_the_run_says_what_is_missing(experiment):
    seqlab.run(experiment, plugins=GIVEN, run_dir="here")
    with pytest.raises(seqlab.SeqlabError, match="The run used the dropped-in plugin 'given'"):
        seqlab.resume("here", overrides=["train.epochs=5"])
    assert seqlab.resume("here", overrides=["train.epochs=2"], plugins=GIVEN)


def test_what_has_no_source_is_said(tiny, caplog):
    made = type("Made", (Loudest,), {"__doc__": "Made.", "__module__": "nowhere"})
    seqlab.load_plugins(given=[{"decoders": {"made": made}}])
    assert "'made' has no source that can be kept" in caplog.text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (int, "the methods of int are those of no kind; say which it is"),
        (3, "should hold a class, or a mapping such as {'cells': {'mine': factory}}, not 3"),
        ({"cell": {"a": PlainUnit}}, "there is no kind 'cell'; did you mean 'cells'?"),
        ({"cells": [PlainUnit]}, "should hold a class, or a mapping such as"),
    ],
)
def test_what_is_no_component_is_refused(given, message):
    with pytest.raises(UsageError) as caught:
        seqlab.load_plugins(given=[given])
    assert message in str(caught.value)


def smallest(logits):
    return logits.argmin(-1)


class Quietest:
    """The least probable token, by a function beside it."""

    def choose(self, logits, history, uniform):
        return smallest(logits)


def test_what_its_source_lacks_is_said(caplog):
    seqlab.load_plugins(given=GIVEN)
    assert "which its kept source does not have" not in caplog.text
    seqlab.load_plugins(given=[Quietest])
    assert "what is given uses smallest, which its kept source does not have" in caplog.text
