"""A key that came later changes nothing of an experiment that does not use it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import seqlab
from seqlab.experiment.later_keys import LATER, without_later_defaults
from seqlab.experiment.located import Origin, plain
from seqlab.experiment.yaml12 import load_yaml
from seqlab.registry import resolve
from seqlab.runs.description import experiment_hash

FIXTURES = Path(__file__).parents[1] / "fixtures" / "runs_before_stacks"


@pytest.mark.parametrize("run", ["one_hot", "learned"])
@pytest.mark.parametrize("file", ["experiment.yaml", "resolved.yaml"])
def test_the_experiment_of_an_old_run_has_the_hash_that_it_had(run, file, registry):
    experiment = seqlab.read_experiment(FIXTURES / run / file, record=True)
    before = json.loads((FIXTURES / run / "run.json").read_text("utf-8"))
    assert experiment_hash(resolve(experiment, registry)) == before["experiment_sha256"]


def test_a_later_key_with_another_value_changes_the_hash(tiny, registry):
    hashes = [
        experiment_hash(resolve(seqlab.read_experiment(tiny | {"train": train}), registry))
        for train in ({"steps": 1}, {"steps": 1, "frozen": []}, {"steps": 1, "frozen": ["head.*"]})
    ]
    assert hashes[0] == hashes[1] != hashes[2]


class Grown:
    """A decoder that takes the first token; `more` came later."""

    later_options = ("more",)

    def __init__(self, *, old: int = 1, more: int = 2):
        """Take `old` and `more`."""

    def choose(self, logits, history, uniform):
        return logits.argmax(-1)


def test_an_option_that_came_later_is_in_the_hash_only_where_it_says_something(tiny):
    registry = seqlab.load_plugins(given=[{"decoders": {"grown": Grown}}])

    def hash_with(**options):
        experiment = seqlab.read_experiment(tiny | {"decoder": {"name": "grown", **options}})
        return experiment_hash(resolve(experiment, registry))

    assert hash_with() == hash_with(more=2) != hash_with(more=3)
    assert hash_with() == hash_with(old=1) != hash_with(old=2)


def test_threads_are_no_part_of_an_experiment(tiny, registry):
    hashes = {
        experiment_hash(resolve(seqlab.read_experiment(tiny | {"train": train}), registry))
        for train in ({"steps": 1}, {"steps": 1, "threads": 1}, {"steps": 1, "threads": 2})
    }
    assert len(hashes) == 1


@pytest.mark.parametrize(("frozen", "written"), [(["head.*"], ["head.*"]), ([], None)])
def test_resolved_yaml_has_a_later_key_only_where_it_says_something(
    frozen, written, tiny, registry
):
    run = seqlab.run(tiny | {"train": {"steps": 0, "frozen": frozen}}, registry=registry)
    resolved = (run.path / "resolved.yaml").read_text("utf-8")
    assert plain(load_yaml(resolved, Origin("resolved.yaml")))["train"].get("frozen") == written


def test_the_whole_configuration_shows_a_later_key_in_any_case(tiny, registry):
    resolved = resolve(seqlab.read_experiment(tiny), registry)
    assert resolved.as_experiment(later_keys=True)["train"]["frozen"] == []


@dataclass(frozen=True, kw_only=True)
class Inner:
    old: int = 1
    new: int | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    more: list[int] = field(default_factory=list, metadata=LATER)


def test_later_keys_are_left_out_at_any_depth():
    assert without_later_defaults(Outer()) == {"inner": {"old": 1}}
    full = Outer(inner=Inner(new=2), more=[3])
    assert without_later_defaults(full) == {"inner": {"old": 1, "new": 2}, "more": [3]}
