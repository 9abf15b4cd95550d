"""Norms of parameters, gradients and updates, for observers that ask for them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import seqlab
from seqlab.training import loop
from seqlab.training.norms import BeforeStep

WATCHING = """
    import json
    from pathlib import Path
    import seqlab

    class Watching:
        '''Writes the norms of each step.

        Args:
            wants_norms: whether it asks for them.
            step_interval: steps between two.
        '''

        def __init__(self, *, wants_norms: bool = True, step_interval: int = 1) -> None:
            self.wants_norms, self.step_interval = wants_norms, step_interval

        def seqlab_step_ended(self, record) -> None:
            norms = record.norms and {name: vars(norms) for name, norms in record.norms.items()}
            with Path("norms.jsonl").open("a") as file:
                file.write(json.dumps([record.step, record.gradient_norm, norms]) + "\\n")

    @seqlab.hookimpl
    def seqlab_register_observers():
        return {"watching": Watching}
"""


@pytest.fixture(autouse=True)
def _plugin(drop):
    drop(WATCHING)


def seen():
    """The step, the gradient norm and the norms by name of each record."""
    return [json.loads(line) for line in Path("norms.jsonl").read_text("utf-8").splitlines()]


def norm(squares):
    return sum(value**2 for value in squares) ** 0.5


@pytest.fixture
def watched(full):
    def watched(where, observer="watching", optimizer=None, **train):
        train = full["train"] | {"steps": 6, "average": None} | train
        optimizer = optimizer or {"name": "sgd", "lr": 0.5, "clip_norm": 0.01}
        sections = {"observers": [observer], "train": train, "optimizer": optimizer}
        return seqlab.run(full | sections, run_dir=where)

    return watched


@pytest.mark.parametrize("accumulate", [1, 2])
def test_gradients_are_those_before_clipping_of_all_batches_of_a_step(watched, accumulate):
    watched("run", accumulate=accumulate)
    assert len(seen()) == 6
    for _, total, norms in seen():
        assert norm(n["gradient"] for n in norms.values()) == pytest.approx(total, rel=1e-5)
        assert total > 0.01


def test_updates_are_what_a_step_changed_and_parameters_what_it_left(watched):
    one, two = (watched(f"run{steps}", steps=steps).checkpoint.weights for steps in (1, 2))
    step, _, norms = seen()[-1]
    assert step == 2
    assert set(norms) == set(two)
    for name, weight in two.items():
        assert norms[name]["parameter"] == pytest.approx(float(weight.norm()), rel=1e-5)
        change = float((weight - one[name]).norm())
        assert norms[name]["update"] == pytest.approx(change, rel=1e-4, abs=1e-9)
    assert norm(n["update"] for n in norms.values()) == pytest.approx(0.5 * 0.01, rel=1e-3)


def test_of_an_optimizer_that_evaluates_by_itself_the_first_gradients_count(watched):
    watched("run", optimizer={"name": "sam", "clip_norm": 0.01})
    for _, total, norms in seen():
        assert norm(n["gradient"] for n in norms.values()) == pytest.approx(total, rel=1e-5)


def test_who_asks_changes_no_number(watched, facts):
    quiet = facts(watched("quiet", "csv"))
    asked = facts(watched("asked", {"name": "watching", "step_interval": 2}))
    for part in ("metrics", "weights"):
        assert asked[part] == quiet[part]


def test_frozen_parameters_have_none(watched):
    watched("run", frozen=["embedding.*"])
    assert "embedding.weight" not in seen()[0][2]


def test_a_step_that_is_not_taken_has_an_update_of_zero(watched):
    watched("run", optimizer={"name": "sgd", "lr": 3e38}, on_nonfinite="skip")
    steps = [(total, max(n["update"] for n in norms.values())) for _, total, norms in seen()]
    assert {update for total, update in steps if not math.isfinite(total)} == {0.0}


def test_they_are_measured_only_at_the_steps_of_who_asks(watched, monkeypatch):
    measured = []

    class Counting(BeforeStep):
        def __init__(self, parameters):
            measured.append(parameters)
            super().__init__(parameters)

    monkeypatch.setattr(loop, "BeforeStep", Counting)
    watched("silent", {"name": "watching", "wants_norms": False})
    assert [norms for _, _, norms in seen()] == [None] * 6
    assert measured == []
    watched("every_third", {"name": "watching", "step_interval": 3})
    assert [step for step, _, norms in seen() if norms] == [3, 6]
    assert len(measured) == 2
