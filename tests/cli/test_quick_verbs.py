"""The verbs that only describe: they import no torch when warm, and plugins can be disabled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqlab.experiment.yaml12 import dump_yaml

CALL = """
import sys
from seqlab.cli.main import call
code = call(sys.argv[1:])
print(sorted({"torch", "numpy", "pydantic", "pluggy"} & sys.modules.keys()), file=sys.stderr)
sys.exit(code)
"""
VERBS = [
    ("plugins",),
    ("plugins", "--json"),
    ("plugins", "show", "cell"),
    ("plugins", "show", "optimizer", "adam"),
    ("schema",),
    ("validate", "--quick", "tiny.yaml"),
    ("explain", "tiny.yaml"),
    ("explain", "tiny.yaml", "cell.hidden_size"),
]


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """Run a verb in a process of its own, after another one has filled the cache."""
    cache = tmp_path_factory.mktemp("cache")

    def run(*arguments):
        environment = os.environ | {"SEQLAB_CACHE": str(cache)}
        command = [sys.executable, "-c", CALL, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    assert run("plugins").returncode == 0
    return run


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_verb_that_describes_imports_nothing_heavy_when_warm(warm, experiment, verb):
    result = warm(*verb)
    assert (result.returncode, result.stderr) == (0, "[]\n")
    assert result.stdout


def test_a_mistake_is_told_in_the_same_words_when_warm(warm, experiment, seqlab_command):
    overrides = ("--set", "cell.hiden_size=3", "--set", "optimizer.lr=-1", "--set", "sampler=x")
    verb = ("validate", "--quick", "tiny.yaml", *overrides)
    result = warm(*verb)
    told = seqlab_command("validate", "tiny.yaml", *overrides)
    assert (result.returncode, result.stderr) == (2, f"{told.err}[]\n")
    assert "did you mean 'hidden_size'?" in told.err


# -- plugins show KIND


def test_the_components_of_a_kind_have_a_line_each(seqlab_command):
    lines = seqlab_command("plugins", "show", "schedule").out.splitlines()
    assert lines[0].split("\t") == ["name", "options", "plugin", "what it is"]
    constant = next(line for line in lines if line.startswith("constant\t"))
    assert constant.split("\t")[2] == "seqlab-schedules"
    shown = json.loads(seqlab_command("plugins", "show", "schedule", "--json").out)
    assert [component["name"] for component in shown] == [line.split("\t")[0] for line in lines[1:]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cel",), "unknown kind 'cel'; did you mean 'cell'?"),
        (("cell", "LSTM"), "unknown cell 'LSTM'; did you mean 'lstm'?"),
    ],
)
def test_a_misspelt_kind_or_name_is_told_with_the_right_one(seqlab_command, words, message):
    result = seqlab_command("plugins", "show", *words)
    assert (result.code, result.err) == (2, f"seqlab: {message}\n")


# -- explain, at any depth


@pytest.fixture
def nested(tiny):
    """An experiment with cells in a cell, and corpora in a corpus."""
    text = tiny["corpus"]
    layers = [{"repeat": 2, "layers": [{"name": "gru", "hidden_size": 8}]}, "mlp"]
    tiny |= {
        "cell": {"name": "stack", "layers": layers},
        "corpus": {"name": "concatenated", "corpora": [text, text]},
        "samples": {"prefixes": ["the", "a"]},
    }
    Path("nested.yaml").write_text(dump_yaml(tiny), "utf-8")
    return "nested.yaml"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cell.layers.0.layers.0.hidden_size", 8),
        ("cell.layers.0.repeat", 2),
        ("cell.layers.1.name", "mlp"),
        ("corpus.corpora.1.encoding", "utf-8"),
        ("samples.prefixes.1", "a"),
        ("optimizer.betas.1", 0.999),
    ],
)
def test_a_key_at_any_depth_is_explained(seqlab_command, nested, key, value):
    (row,) = json.loads(seqlab_command("explain", nested, key, "--json").out)
    assert (row["key"], row["value"]) == (key, value)
    assert row["read_by"]


def test_a_value_in_a_list_has_the_place_where_it_was_written(seqlab_command, nested):
    Path("flow.yaml").write_text(f"extends: {nested}\nsamples:\n  prefixes: [b,\n    c]\n")
    (row,) = json.loads(seqlab_command("explain", "flow.yaml", "samples.prefixes.1", "--json").out)
    assert (row["value"], row["origin"]) == ("c", "flow.yaml:4:5")


def test_of_a_mapping_all_that_is_inside_is_explained(seqlab_command, nested):
    rows = json.loads(seqlab_command("explain", nested, "cell.layers.0", "--json").out)
    inside = [row["key"].removeprefix("cell.layers.0.") for row in rows]
    assert inside[:3] == ["repeat", "layers.0.name", "layers.0.hidden_size"]


DID = "; did you mean 'cell.layers.0."


@pytest.mark.parametrize(
    ("key", "rest"),
    [
        ("cell.layers.0.layers.0.hiden_size", DID + "layers.0.hidden_size'?"),
        ("cell.layrs.0.repeat", DID + "repeat'?"),
        ("cell.layers.7.name", "; in 'cell.layers' there are: 0, 1"),
        ("cell.name.x", ": nothing is inside 'cell.name'"),
        ("samples.prefixes.2", "; in 'samples.prefixes' there are: 0, 1"),
        ("optimizer.lr.", ": nothing is inside 'optimizer.lr'"),
    ],
)  # fmt: skip
def test_a_key_that_is_wrong_at_some_depth_is_told_with_what_is_there(
    seqlab_command, nested, key, rest
):
    result = seqlab_command("explain", nested, key)
    assert (result.code, result.err) == (2, f"seqlab: no key '{key}'{rest}\n")


# -- disabled plugins


@pytest.fixture
def disabled(seqlab_command):
    """The plugin with the tiny experiment's cell is disabled."""
    result = seqlab_command("plugins", "disable", "seqlab-cells")
    assert result.code == 0
    assert "seqlab plugins enable seqlab-cells ends that" in result.out
    return "seqlab-cells"


def test_a_disabled_plugin_is_left_out_everywhere_and_told(seqlab_command, experiment, disabled):
    for verb in (("run",), ("validate",), ("validate", "--quick"), ("explain",)):
        result = seqlab_command(*verb, experiment)
        assert result.code == 2
        assert "unknown cell 'rnn'" in result.err
        assert f"(plugins that are disabled: '{disabled}')" in result.err
    row = next(r for r in seqlab_command("plugins").out.splitlines() if r.startswith(disabled))
    assert row.split("\t")[-1] == "disabled"
    rows = {row["name"]: row for row in json.loads(seqlab_command("plugins", "--json").out)}
    assert [name for name, row in rows.items() if row["disabled"]] == [disabled]


def test_a_run_records_what_was_disabled_as_what_was_left_out(seqlab_command, experiment):
    seqlab_command("plugins", "disable", "seqlab-beam", "seqlab-words")
    assert seqlab_command("run", experiment, "--run-dir", "here").code == 0
    record = json.loads(Path("here/run.json").read_text("utf-8"))
    assert record["plugin_options"] == ["--no-plugin", "seqlab-beam", "--no-plugin", "seqlab-words"]


def test_a_plugin_is_enabled_again(seqlab_command, experiment, disabled):
    assert seqlab_command("plugins", "enable", disabled).out == f"{disabled} is enabled\n"
    assert seqlab_command("validate", "--quick", experiment).code == 0
    assert seqlab_command("plugins", "enable", disabled).out == f"{disabled} was not disabled\n"


@pytest.mark.parametrize("verb", ["enable", "disable"])
def test_a_misspelt_plugin_is_refused_and_nothing_changes(seqlab_command, verb, disabled):
    result = seqlab_command("plugins", verb, disabled, "seqlab-bem")
    assert (result.code, result.err) == (
        2,
        "seqlab: no plugin 'seqlab-bem'; did you mean 'seqlab-beam'?\n",
    )
    rows = json.loads(seqlab_command("plugins", "--json").out)
    assert [row["name"] for row in rows if row["disabled"]] == [disabled]


def test_a_plugin_that_breaks_the_process_can_be_disabled(seqlab_command, drop):
    drop("import os\nos._exit(9)\n", "breaking")
    assert seqlab_command("plugins", "disable", "breaking").code == 0
    assert "breaking" in seqlab_command("plugins").out
    assert seqlab_command("plugins", "--no-local-plugins").code == 0


def test_a_file_that_is_asked_for_is_checked_though_its_name_is_disabled(seqlab_command, drop):
    drop("import nobody_has_this", "mine")
    seqlab_command("plugins", "disable", "mine")
    assert "nobody_has_this" in seqlab_command("plugins", "check", "plugins/mine.py").err


@pytest.mark.parametrize("text", ["", "[]", '{"disabled": [1]}', "[" * 10**5])
def test_a_damaged_list_of_disabled_plugins_is_one_line(seqlab_command, disabled, text):
    (file,) = (Path(os.environ["XDG_CONFIG_HOME"]) / "seqlab").iterdir()
    file.write_text(text)
    result = seqlab_command("plugins")
    assert result.code == 2
    assert result.err.startswith(f"seqlab: {file}: should be such as")
    assert result.err.count("\n") == 1
