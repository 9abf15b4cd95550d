"""Values of options reach a factory whole, whatever they are kept in."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqlab
from seqlab import read_experiment
from seqlab.registry import resolve
from seqlab.registry.schema import experiment_schema

PLUGIN = """
    from collections import deque
    from dataclasses import dataclass
    from pathlib import Path
    from typing import NamedTuple
    from seqlab import hookimpl

    class Pair(NamedTuple):
        path: Path
        number: int

    @dataclass(frozen=True)
    class Settings:
        '''{words}'''
        path: Path
        {field}: int = 1

    class Chooser:
        def __init__(
            self, *, pair: Pair | None = None, some: frozenset[Path] | None = None,
            line: deque[Path] | None = None, table: dict[str, list[Path]] | None = None,
            settings: Settings | None = None, rate: list[float] | None = None,
        ):
            self.given = pair, some, line, table, settings

        def choose(self, logits, history, uniform):
            return logits.argmax(-1)

    @hookimpl
    def seqlab_register_decoders():
        return {{"{name}": Chooser}}
"""


@pytest.fixture
def given(drop, tiny):
    """The values that the factory got, for options of a decoder."""
    drop(PLUGIN.format(words="One.", field="count", name="chooser"))
    registry = seqlab.load_plugins()

    def given(**options):
        section = {"name": "chooser", **options}
        return resolve(read_experiment(tiny | {"decoder": section}), registry).decoder.build().given

    return given


def test_a_named_tuple_has_its_values(given):
    pair = given(pair=["a", 3])[0]
    assert (pair.path, pair.number) == (Path("a").absolute(), 3)


def test_paths_are_anchored_in_every_container(given):
    here = Path.cwd()
    _, some, line, table, settings = given(
        some=["a"], line=["b"], table={"x": ["c"]}, settings={"path": "d"}
    )
    assert (some, list(line), table) == ({here / "a"}, [here / "b"], {"x": [here / "c"]})
    assert (settings.path, settings.count) == (here / "d", 1)


@pytest.mark.parametrize("rate", [float("nan"), [1.0, float("nan")]])
def test_what_is_not_a_number_is_none_at_any_depth(given, rate):
    with pytest.raises(seqlab.ExperimentError, match=r"decoder\.rate.*should be a number"):
        given(rate=rate)


def test_dataclasses_of_one_name_in_two_plugins_are_both_described(drop):
    drop(PLUGIN.format(words="One.", field="count", name="one"), "one")
    drop(PLUGIN.format(words="Two.", field="other", name="two"), "two")
    definitions = experiment_schema(seqlab.load_plugins())["$defs"]
    known = [d for d in definitions.values() if "path" in d.get("properties", {})]
    described = {d["description"]: d for d in known}
    assert "count" in described["One."]["properties"]
    assert "other" in described["Two."]["properties"]


@pytest.mark.parametrize(
    "override",
    ["train.device=cuda:٣", "train.checkpoint.every=٣ steps", "evaluation.every=² epochs"],
)
def test_digits_of_other_scripts_are_no_numbers(tiny, registry, override):
    with pytest.raises(seqlab.ExperimentError):
        resolve(read_experiment(tiny, [override]), registry)


def test_an_observer_without_an_event_is_refused(drop, tiny):
    drop("""
        from seqlab import hookimpl

        class Deaf:
            def epoch_ended(self, record): pass

        def made(): return Deaf()

        @hookimpl
        def seqlab_register_observers():
            return {"deaf": Deaf, "made": made}
    """)
    registry = seqlab.load_plugins()
    (problem,) = registry.problems()
    assert "observer 'deaf' has no method named as an event" in problem
    assert "it has: epoch_ended" in problem
    with pytest.raises(seqlab.SeqlabError, match=r"observer 'made' .* would receive none"):
        seqlab.run(tiny | {"observers": ["made"]}, registry=registry)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"model": {"residual": True}}, "model.residual has no effect"),
        ({"train": {"steps": 2, "cuda_graphs": True, "device": "cpu"}}, "train.cuda_graphs does"),
        ({"train": {"steps": 1, "accumulate": 9999}}, "train.accumulate is 9,999"),
        (
            {"train": {"steps": 1, "stop": {"split": "train", "target": 1.0, "min_delta": 0.1}}},
            "train.stop.min_delta has no effect",
        ),
    ],
    ids=["residual", "graphs", "accumulate", "min_delta"],
)
def test_a_setting_that_does_nothing_is_said(tiny, registry, caplog, sections, message):
    seqlab.run(tiny | sections, registry=registry, run_dir="r")
    assert message in caplog.text


def test_dropout_of_a_cell_of_one_layer_is_refused_with_what_would_act(tiny, registry):
    cell = {"name": "lstm", "hidden_size": 8, "dropout": 0.5}
    with pytest.raises(seqlab.ExperimentError, match=r"num_layers 1.*model.dropout"):
        seqlab.run(tiny | {"cell": cell}, registry=registry)


@pytest.mark.parametrize("path", ["", ["a", ""]])
def test_an_empty_path_is_none(registry, tiny, path):
    section = {"name": "text", "path": path}
    with pytest.raises(seqlab.ExperimentError, match=r"corpus\.path.*should be a path; it is"):
        resolve(read_experiment(tiny | {"corpus": section}), registry)
