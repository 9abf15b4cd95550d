from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

import seqlab
from seqlab.registry import resolve
from seqlab.registry.schema import experiment_schema

SHIPPED = sorted((Path(__file__).resolve().parents[2] / "experiments").glob("*.yaml"))


def test_generate_continues_every_prefix(seqlab_command, experiment):
    seqlab_command("run", experiment)
    result = seqlab_command("generate", "tiny", "--prefix", "the", "--prefix", "do", "--length", 7)
    assert [len(line) for line in result.out.splitlines()] == [10, 9]


def test_generate_from_a_damaged_checkpoint_stops_with_code_4(seqlab_command, experiment):
    seqlab_command("run", experiment, "--run-dir", "here")
    (weights,) = Path("here").rglob("model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    result = seqlab_command("generate", "here", "--prefix", "the")
    assert result.code == 4
    assert "is damaged (its SHA-256 differs)" in result.err


def test_a_run_is_found_by_folder_name_id_or_latest(seqlab_command, experiment):
    run = seqlab.run(experiment)
    short = run.path.name.rpartition("-")[2]
    for word in (run.path, "tiny", run.path.name, short, "latest"):
        assert seqlab.open_run(word).path.name == run.path.name


def test_an_unknown_run_is_told_with_what_would_be_right(seqlab_command):
    result = seqlab_command("generate", "nobody", "--prefix", "a")
    assert result.code == 2
    assert "`seqlab runs` lists all" in result.err


@pytest.mark.parametrize(
    ("width", "message"),
    [
        ("60", "The terminal is too narrow for: step, of (--json has all)\n"),
        ("80", "The terminal is too narrow for: of (--json has all)\n"),
        ("120", ""),
    ],
)
def test_runs_has_one_line_for_a_run_on_a_terminal(
    width, message, seqlab_command, experiment, monkeypatch
):
    seqlab_command("run", experiment.rename("of_what_is_in_my_mind.yaml"))
    monkeypatch.setenv("FORCE_COLOR", "1")  # what is taken for a terminal
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("TERM", "xterm")
    result = seqlab_command("runs")
    assert result.err == message
    assert len([line for line in result.out.splitlines() if line.strip()]) == 3  # two of the head


def test_validate_trains_nothing_and_reports_every_file(seqlab_command, experiment):
    Path("bad.yaml").write_text("cell: rnn\n")
    result = seqlab_command("validate", experiment, "bad.yaml")
    assert result.code == 2
    assert result.out == "tiny.yaml: is valid\n"
    assert result.err.count("bad.yaml:1:1: ") == 4
    assert not Path("runs").exists()


@pytest.fixture(scope="module")
def schema(registry):
    """What checks against the schema, which is itself checked once."""
    document = experiment_schema(registry)
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_experiments_are_valid_and_pass_the_schema(path, seqlab_command, schema):
    assert seqlab_command("validate", path).code == 0
    assert path.read_text("utf-8").startswith("# yaml-language-server: $schema=schema.json\n")
    content = yaml.safe_load(re.sub(r"\b(\d)e-", r"\1.0e-", path.read_text("utf-8")))
    schema.validate(content)


@pytest.mark.parametrize("extends", [{}, {"extends": "jay_rnn.yaml"}])
def test_the_schema_refuses_an_option_that_nobody_has(extends, tiny, schema):
    schema.validate(extends | tiny)
    tiny["cell"] = {"name": "rnn", "hiden": 4}
    with pytest.raises(jsonschema.ValidationError):
        schema.validate(extends | tiny)


@pytest.mark.parametrize("key", ["stop", "checkpoint"])
def test_the_schema_refuses_what_nobody_reads_inside_an_option(key, tiny, schema):
    tiny["train"][key] = {"everyy": 3}
    with pytest.raises(jsonschema.ValidationError):
        schema.validate(tiny)


def test_the_schema_has_words_for_every_key_inside_an_option(schema):
    inside = schema.schema["$defs"]
    parts = [
        (name, *item)
        for name, definition in inside.items()
        for item in definition.get("properties", {}).items()
    ]
    assert [part for part in parts if not part[2].get("description")] == []
    assert {"Stop", "Checkpoints"} <= inside.keys()


@pytest.mark.parametrize("extends", [{}, {"extends": "base.yaml"}])
def test_the_schema_lets_a_section_be_null_that_may_be_left_out(extends, tiny, schema, registry):
    for key in ("tokenizer", "schedule", "decoder"):
        schema.validate(extends | tiny | {key: {}})
    nothing = dict.fromkeys(("tokenizer", "decoder", "model", "samples", "observers"))
    schema.validate(extends | tiny | nothing)
    resolve(seqlab.read_experiment(tiny | nothing), registry)


def test_the_schema_knows_a_dropped_in_plugin(seqlab_command):
    Path("plugins").mkdir()
    Path("plugins/mine.py").write_text(MINE)
    schema = json.loads(seqlab_command("schema").out)
    cells = schema["$defs"]["cell.whole"]["anyOf"]
    names = [cell.get("properties", {}).get("name") for cell in cells]
    assert {"const": "mine"} in names


MINE = '''
import seqlab
from torch import nn

class Mine(nn.Module):
    """My cell.

    Args:
        size: how large it is.
    """

    def __init__(self, input_size: int, *, size: int = 3) -> None:
        super().__init__()

@seqlab.hookimpl
def seqlab_register_cells():
    return {"mine": Mine}
'''


def test_plugins_lists_origin_offers_and_failures(seqlab_command):
    Path("plugins").mkdir()
    Path("plugins/mine.py").write_text(MINE)
    Path("plugins/broken.py").write_text("import nothing_of_that_name")
    rows = {row["name"]: row for row in json.loads(seqlab_command("plugins", "--json").out)}
    assert rows["mine"]["offers"] == [{"kind": "cell", "name": "mine"}]
    assert rows["seqlab-cells"]["distribution"] == "seqlab"
    assert rows["broken"]["problems"] == [
        "cannot be imported: ModuleNotFoundError: No module named 'nothing_of_that_name'"
        " (plugins/broken.py, line 1)"
    ]


def test_plugins_show_says_all_that_an_experimenter_needs(seqlab_command):
    shown = seqlab_command("plugins", "show", "cell", "lstm").out
    assert "recurrent.py:" in shown
    assert "hidden_size\tinteger\t256\t> 0, <= 1048576\tH, the size of" in shown
    assert yaml.safe_load(shown.splitlines()[-1])["cell"]["name"] == "lstm"


def test_plugins_show_suggests_what_was_meant(seqlab_command):
    assert "did you mean 'lstm'?" in seqlab_command("plugins", "show", "cell", "ltsm").err
    assert "did you mean 'cell'?" in seqlab_command("plugins", "show", "cel", "lstm").err


def test_a_plugin_that_is_switched_off_is_not_there(seqlab_command, experiment):
    result = seqlab_command("validate", experiment, "--no-plugin", "seqlab-cells")
    assert result.code == 2
    assert "unknown cell 'rnn'; did you mean 'qrnn'?" in result.err


def test_strict_plugins_stops_at_a_plugin_that_failed(seqlab_command, experiment):
    Path("plugins").mkdir()
    Path("plugins/broken.py").write_text("raise SystemExit(9)")
    assert seqlab_command("validate", experiment).code == 0
    assert (
        seqlab_command("validate", experiment, "--no-local-plugins", "--strict-plugins").code == 0
    )
    assert seqlab_command("validate", experiment, "--strict-plugins").code == 3


def test_init_writes_all_files_though_nobody_reads_its_lines():
    command = [sys.executable, "-m", "seqlab", "init", "laid_out"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        error = process.stderr.read()
    assert (process.returncode, error) == (0, b"")
    assert Path("laid_out/plugins/minimal_gated_unit.py").is_file()


def test_init_lays_out_a_folder_that_validates(seqlab_command, monkeypatch):
    result = seqlab_command("init", "lab")
    monkeypatch.chdir("lab")
    assert result.code == 0
    assert seqlab_command("validate", *Path("experiments").glob("*.yaml")).code == 0
    assert "mgu" in seqlab_command("plugins").out


def test_init_leaves_what_is_there_as_it_is(seqlab_command):
    Path("lab/experiments").mkdir(parents=True)
    Path("lab/experiments/jay_rnn.yaml").write_text("mine")
    result = seqlab_command("init", "lab")
    assert "kept     lab/experiments/jay_rnn.yaml" in result.out
    assert Path("lab/experiments/jay_rnn.yaml").read_text() == "mine"
