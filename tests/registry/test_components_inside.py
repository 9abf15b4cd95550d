"""A component is an option of a component, at any depth, and everything looks inside."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

import seqlab
from seqlab.errors import ExperimentError
from seqlab.registry import resolve
from seqlab.registry.explanation import explain
from seqlab.registry.schema import experiment_schema

PLUGIN = """
    from __future__ import annotations

    from dataclasses import dataclass, field
    import seqlab
    from torch import nn

    @dataclass
    class Beside:
        inner: seqlab.CellFactory = seqlab.component("gru", hidden_size=3)
        scale: float = 1.0

    class Chain(nn.Module):
        '''Cells one after another.

        Args:
            layers: the cells.
            last: one more.
            named: more of them.
            beside: one in a dataclass.
        '''

        def __init__(
            self,
            input_size,
            *,
            layers: list[seqlab.CellFactory] = [
                seqlab.component("gru", hidden_size=8), seqlab.component("rnn", hidden_size=4)
            ],
            last: seqlab.CellFactory | None = None,
            named: dict[str, seqlab.CellFactory] = {},
            beside: Beside | None = None,
        ):
            super().__init__()
            extra = [beside and beside.inner, last]
            self.layers = nn.ModuleList()
            for layer in [*layers, *named.values(), *filter(None, extra)]:
                self.layers.append(layer(input_size))
                input_size = self.layers[-1].output_size
            self.output_size = input_size

        def forward(self, inputs, state):
            states, after = state or [None] * len(self.layers), []
            for layer, before in zip(self.layers, states):
                inputs, now = layer(inputs, before)
                after.append(now)
            return inputs, tuple(after)

    class Wrong(nn.Module):
        '''Calls what is inside as it should not.'''

        def __init__(self, input_size, *, inner: seqlab.CellFactory = seqlab.component("gru")):
            super().__init__()
            inner(input_size, 3)

    class Endless(nn.Module):
        '''Has itself as a default, twice.'''

        def __init__(
            self,
            input_size,
            *,
            pair: list[seqlab.CellFactory] = [
                seqlab.component("endless"), seqlab.component("endless")
            ],
        ):
            super().__init__()

    @seqlab.hookimpl
    def seqlab_register_cells():
        return {"chain": Chain, "wrong": Wrong, "endless": Endless}
"""


@pytest.fixture
def registry(drop):
    drop(PLUGIN)
    registry = seqlab.load_plugins()
    assert not list(registry.problems())
    return registry


@pytest.fixture
def cell(tiny, registry):
    """Resolve an experiment with a cell, and return the cell as it is written out in full."""

    def cell(section, *overrides):
        experiment = seqlab.read_experiment({**tiny, "cell": section}, overrides)
        return resolve(experiment, registry).as_experiment()["cell"]

    return cell


@pytest.fixture
def complaints(tiny, registry):
    def complaints(section, *overrides):
        try:
            resolve(seqlab.read_experiment({**tiny, "cell": section}, overrides), registry)
        except ExperimentError as error:
            return {complaint.key: complaint.message for complaint in error.complaints}
        return {}

    return complaints


def sizes(section):
    return [(layer["name"], layer["hidden_size"]) for layer in section["layers"]]


def test_a_default_is_bound_with_its_own_options(cell):
    assert sizes(cell("chain")) == [("gru", 8), ("rnn", 4)]
    assert cell("chain")["layers"][0]["num_layers"] == 1


def test_lists_mappings_and_dataclasses_have_components_at_any_depth(cell):
    inner = {"name": "chain", "layers": ["min_gru"], "last": {"name": "lstm", "hidden_size": 2}}
    section = cell({"name": "chain", "layers": [inner], "named": {"a": "gru"}, "beside": {}})
    assert section["layers"][0]["last"]["hidden_size"] == 2
    assert section["named"]["a"]["name"] == "gru"
    assert section["beside"]["inner"]["hidden_size"] == 3


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("cell.layers.1.hidden_size=64", [("gru", 8), ("rnn", 64)]),
        ("cell.layers.0=lstm", [("lstm", 8), ("rnn", 4)]),
        ("cell.layers.0.name=lstm", [("lstm", 8), ("rnn", 4)]),
        ("cell.layers.0={name: lstm}", [("lstm", 256), ("rnn", 4)]),
        ("cell.layers=[{name: gru, hidden_size: 1}]", [("gru", 1)]),
    ],
)
@pytest.mark.parametrize("written", [True, False])
def test_an_override_reaches_inside_what_is_written_and_a_default(
    cell, override, expected, written
):
    layers = [{"name": "gru", "hidden_size": 8}, {"name": "rnn", "hidden_size": 4}]
    section = {"name": "chain", "layers": layers} if written else "chain"
    assert sizes(cell(section, override)) == expected


def test_an_item_that_a_list_does_not_have_cannot_be_set(complaints):
    section = {"name": "chain", "layers": ["gru"]}
    said = complaints(section, "cell.layers.1.hidden_size=3")
    assert said == {"cell.layers.1": "'cell.layers' has items 0 to 0"}


def test_all_complaints_come_at_once_with_their_place(complaints):
    layers = [
        {"name": "rnn", "hiden_size": 6},
        "min_gruu",
        7,
        {"hidden_size": 3},
        {"name": "chain", "last": {"name": "gru", "hidden_size": -1}},
    ]
    said = complaints({"name": "chain", "layers": layers, "named": {"a": "nobody"}})
    assert said == {
        "cell.layers.0.hiden_size": "cell 'rnn' has no option 'hiden_size'; did you mean"
        " 'hidden_size'?",
        "cell.layers.1.name": "unknown cell 'min_gruu'; did you mean 'min_gru'?",
        "cell.layers.2": "should be the name of a cell, or a mapping with its name; it is 7",
        "cell.layers.3": "should be the name of a cell, or a mapping with its name; it is"
        ' {"hidden_size": 3}',
        "cell.layers.4.last.hidden_size": "should be greater than 0; it is -1",
        "cell.named.a.name": said["cell.named.a.name"],
    }
    assert said["cell.named.a.name"].startswith("unknown cell 'nobody'")


def test_a_factory_that_is_called_wrongly_is_its_callers_fault(tiny, registry):
    resolved = resolve(seqlab.read_experiment({**tiny, "cell": "wrong"}), registry)
    with pytest.raises(seqlab.SeqlabError, match=r"cell 'wrong'.*'cell.inner' is called with 2"):
        resolved.cell.build(8)


def test_a_part_that_refuses_its_options_is_named_by_its_key(tiny, registry):
    layers = [{"name": "gru", "dropout": 0.5}]
    section = {"name": "chain", "layers": layers}
    resolved = resolve(seqlab.read_experiment({**tiny, "cell": section}), registry)
    with pytest.raises(ExperimentError, match=r"cell.layers.0: dropout acts between the layers"):
        resolved.cell.build(8)


def test_a_default_that_names_itself_is_refused(complaints):
    first, *_ = complaints("endless").values()
    assert first.startswith("has more than 1000 components")


def test_explain_says_where_each_inner_value_comes_from(tiny, registry):
    section = {"name": "chain", "last": {"name": "lstm", "hidden_size": 2}}
    override = "cell.layers.1.hidden_size=64"
    experiment = seqlab.read_experiment({**tiny, "cell": section}, [override])
    rows = {row.key: row for row in explain(experiment, resolve(experiment, registry), registry)}
    assert "64" in rows["cell.layers.1.hidden_size"].origin
    assert rows["cell.layers.0.hidden_size"].origin == "default of cell 'chain'"
    assert rows["cell.last.hidden_size"].origin == "experiment"
    assert rows["cell.last.num_layers"].origin.startswith("default in ")
    assert rows["cell.last.hidden_size"].bounds.startswith("> 0")


@pytest.mark.parametrize("extends", [{}, {"extends": "base.yaml"}])
def test_the_schema_completes_names_and_options_inside(tiny, registry, extends):
    validator = jsonschema.Draft202012Validator(experiment_schema(registry))
    right = {"name": "chain", "layers": ["gru", {"name": "rnn", "hidden_size": 3}], "last": None}
    validator.validate({**tiny, **extends, "cell": right})
    validator.validate({**tiny, **extends, "cell": {"name": "chain", "layers": [right]}})
    validator.validate({**tiny, **extends, "cell": {"name": "chain", "beside": {"inner": "rnn"}}})
    wrong = [{"name": "rnn", "hiden": 3}, {"name": "nobody"}, {"name": "rnn", "last": "gru"}]
    for layer in wrong[: 2 if extends else 3]:  # the third may lie over a cell with that option
        section = {"name": "chain", "layers": [layer]}
        assert not validator.is_valid({**tiny, **extends, "cell": section})


def test_a_run_with_cells_inside_resumes_to_the_bit(tiny, registry):
    """The record of the run has everything, with copies of the files that inner cells are in."""
    Path("plugins/inner.py").write_text(
        "import seqlab\nfrom seqlab_plugins.cells.recurrent import GRU\n\n"
        "class Own(GRU):\n    'Mine.'\n\n"
        "@seqlab.hookimpl\ndef seqlab_register_cells():\n    return {'own': Own}\n"
    )
    section = {"name": "chain", "last": {"name": "own", "hidden_size": 2}}
    experiment = {**tiny, "cell": section, "train": {"epochs": 4, "max_minutes": 10}}
    whole = seqlab.run(experiment, run_dir="whole")
    seqlab.run(experiment, overrides=["train.epochs=2"], run_dir="half")
    again = seqlab.resume("half", overrides=["train.epochs=4"])
    assert [row["loss"] for row in again.metrics] == [row["loss"] for row in whole.metrics]
    assert {path.name for path in Path("half/plugins").iterdir()} == {"dropped.py", "inner.py"}
    resolved = yaml.safe_load(Path("half/resolved.yaml").read_text())
    assert resolved["cell"]["last"]["hidden_size"] == 2


def test_a_value_beside_a_component_that_is_wrong_hides_no_other_complaint(complaints):
    named = {"a": {"name": "nobody"}, "b": 3}
    beside = {"scale": "much", "inner": {"name": "gru", "hiden": 1}}
    said = complaints({"name": "chain", "named": named, "beside": beside})
    assert {*said} == {
        "cell.named.a.name",
        "cell.named.b",
        "cell.beside.scale",
        "cell.beside.inner.hiden",
    }


def test_a_key_that_is_misspelt_beside_what_is_missing_is_no_bug(complaints):
    said = complaints({"name": "stack", "layers": [{"repeat": 2, "layer": ["gru"]}, "stak"]})
    assert {*said} == {"cell.layers.0.layer", "cell.layers.1.name"}
