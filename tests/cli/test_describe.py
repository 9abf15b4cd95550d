"""What an experiment and a run are said to have and to cost, held against what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import seqlab
from seqlab.experiment.yaml12 import dump_yaml

H, V = 16, 29  # of the tiny experiment: hidden size, characters
CELL = """
import torch
from torch import nn
import seqlab

class Twice(nn.Module):
    def __init__(self, input_size: int, *, size: int = 6) -> None:
        super().__init__()
        self.output_size = size
        self.first = nn.Linear(input_size, size, bias=False)
        self.second = nn.Linear(size, size, bias=False)

    def forward(self, inputs, state):
        if state is None:
            state = (torch.zeros(len(inputs), 3), torch.zeros(len(inputs), 2, dtype=torch.int64))
        return self.second(self.first(inputs)), state

@seqlab.hookimpl
def seqlab_register_cells():
    return {"twice": Twice}
"""


@pytest.fixture
def facts(seqlab_command, tiny):
    def facts(**sections: Any) -> dict[str, Any]:
        Path("tiny.yaml").write_text(dump_yaml(tiny | sections), "utf-8")
        result = seqlab_command("describe", "tiny.yaml", "--json")
        assert result.code == 0, result.err
        said: dict[str, Any] = json.loads(result.out)
        return said

    return facts


def parts(facts: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {part["part"]: (part["parameters"], part["trained"]) for part in facts["parts"]}


def test_an_rnn_has_the_parameters_and_the_costs_of_its_equations(facts):
    known = facts()
    recurrence, head = H * H, H * V
    assert known["vocabulary"] == V
    assert parts(known) == {
        "embedding": (0, 0),
        "layers.0": (H * V + H * H + 2 * H, H * V + H * H + 2 * H),
        "head": (head + V, head + V),
    }
    assert known["bytes"] == 4 * known["parameters"]
    assert known["state_bytes_per_row"] == 4 * H
    cost = known["multiply_adds_per_token"]
    assert cost["forward"] == cost["generation"] == recurrence + head
    assert 1.8 * cost["forward"] < cost["backward"] <= 2 * cost["forward"]


def test_the_costs_of_a_learned_embedding_are_those_of_its_products(facts):
    known = facts(model={"embedding": 12}, cell={"name": "lstm", "hidden_size": H})
    assert parts(known)["embedding"] == (12 * V, 12 * V)
    assert known["state_bytes_per_row"] == 2 * 4 * H
    expected = 4 * (12 * H + H * H) + H * V
    assert known["multiply_adds_per_token"]["generation"] == expected


def test_a_parameter_of_two_parts_counts_once_and_a_frozen_one_is_not_trained(facts):
    model = {"embedding": H, "tie_weights": True}
    known = facts(model=model, train={"steps": 2, "frozen": ["embedding.*"]})
    assert parts(known)["embedding"] == (H * V, 0)
    assert parts(known)["head"] == (V, V)
    assert known["parts"][-1]["shared"] == H * V
    assert known["parameters"] == sum(part["parameters"] for part in known["parts"])


def test_each_layer_of_a_stack_is_a_part(facts):
    known = facts(cell={"name": "stack", "layers": ["rnn", {"name": "gru", "hidden_size": 8}]})
    assert [*parts(known)] == ["embedding", "layers.0.0", "layers.0.1", "head"]


def test_a_cell_of_a_stranger_is_described(facts, drop):
    drop(CELL)
    known = facts(cell={"name": "twice", "size": 6})
    assert parts(known)["layers.0"] == (6 * V + 36, 6 * V + 36)
    assert known["state_bytes_per_row"] == 3 * 4 + 2 * 8
    assert known["multiply_adds_per_token"]["forward"] == 6 * V + 36 + 6 * V


def test_what_generates_nothing_has_no_cost_of_generation(facts):
    known = facts(
        objective="masked",
        tokenizer={"name": "with_reserved", "inner": "characters", "reserved": ["mask"]},
        cell={"name": "rnn", "hidden_size": 8},
        model={"bidirectional": True},
    )
    assert known["multiply_adds_per_token"]["generation"] is None
    assert known["multiply_adds_per_token"]["forward"] > 0


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_steps_store_and_checkpoint_are_those_of_the_run(facts, seqlab_command, optimizer):
    known = facts(
        optimizer={"name": optimizer, "lr": 0.01},
        train={"epochs": 2},
        cell={"name": "rnn", "hidden_size": 256},
    )
    run = seqlab.run("tiny.yaml", run_dir="here")
    assert known["total_steps"] == run.description["total_steps"] == 2 * known["steps_per_epoch"]
    assert known["tokens"] == run.description["corpus"]["tokens"]
    (saved,) = Path("here/checkpoints").iterdir()
    size = sum(file.stat().st_size for file in saved.iterdir())
    assert known["checkpoint_bytes"] == pytest.approx(size, rel=0.02)
    same = json.loads(seqlab_command("describe", "here", "--json").out)
    assert same == known | {"checkpoint_bytes": size, "name": same["name"]}


def test_a_run_whose_text_is_gone_is_described_without_it(seqlab_command, make_run, text_file):
    path = make_run("runs/songs/20260101T000000Z-abc123")
    resolved = path / "resolved.yaml"
    resolved.write_text(resolved.read_text().replace("text.txt", "gone.txt"))
    known = json.loads(seqlab_command("describe", "songs", "--json").out)
    assert known["multiply_adds_per_token"]["forward"] is None
    assert known["multiply_adds_per_token"]["generation"] == H * H + H * V
    assert known["store_bytes"] is None
    assert known["total_steps"] > 0


def test_people_read_a_table_of_parts_and_one_of_costs(seqlab_command, experiment):
    lines = seqlab_command("describe", "tiny.yaml").out.splitlines()
    assert lines[0].split("\t") == ["part", "what", "parameters", "trained", "size"]
    assert f"multiply-adds a token in generation\t{H * H + H * V}" in lines


def test_an_override_of_a_run_is_refused(seqlab_command, make_run):
    make_run("runs/songs/20260101T000000Z-abc123")
    result = seqlab_command("describe", "songs", "--set", "cell=gru")
    assert (result.code, result.out) == (2, "")
    assert "--set is for an experiment" in result.err


def test_what_is_neither_a_file_nor_a_run_is_told(seqlab_command):
    result = seqlab_command("describe", "nothing")
    assert (result.code, result.out) == (2, "")
    assert "run 'nothing': there is no such" in result.err
