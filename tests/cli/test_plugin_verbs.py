"""plugins --trace, plugins check, explain, and what failing plugins leave working."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqlab.experiment.yaml12 import dump_yaml

GOOD = '''
    import torch
    import seqlab

    class Good(torch.nn.Module):
        """Adds what it saw: `size` numbers of it."""

        def __init__(self, input_size: int, *, size: int = 4):
            super().__init__()
            self.output_size = size
            self.linear = torch.nn.Linear(input_size, size)

        @seqlab.unroll
        def forward(self, inputs, state):
            state = torch.tanh(self.linear(inputs) + state)
            return state, state

    @seqlab.hookimpl
    def seqlab_register_cells():
        return {"good": Good}
'''
FORGETFUL = GOOD.replace("+ state", "+ 0 * state + len(inputs)")


# -- plugins --trace


def test_a_trace_shows_what_was_loaded_in_order_and_how_long_it_took(seqlab_command, drop):
    drop(GOOD)
    lines = seqlab_command("plugins", "--trace").out.splitlines()
    names = [line.split("\t")[1] for line in lines[1:-1]]
    assert names[-1] == "dropped"
    assert names[:-1] == sorted(names[:-1])
    assert all(line.split("\t")[3].endswith(" ms") for line in lines[1:])


# -- plugins check


def test_a_component_that_keeps_its_promises_passes(seqlab_command, drop):
    drop(GOOD)
    result = seqlab_command("plugins", "check", "good", "--set", "size=3")
    assert result.code == 0, result.out
    assert "cell 'good'\twindow equals its steps\tkept" in result.out
    assert ", 0 broken, " in result.err


@pytest.mark.parametrize("verb", [["check", "good"], ["show", "cell", "good"]])
def test_the_folder_of_plugins_is_named_before_a_verb_or_after_it(verb, seqlab_command, drop):
    drop(GOOD)
    Path("plugins").rename("elsewhere")
    assert seqlab_command("plugins", *verb).code == 2
    assert seqlab_command("plugins", *verb, "--plugins", "elsewhere").code == 0
    assert seqlab_command("plugins", "--plugins", "elsewhere", *verb).code == 0
    both = ("--no-plugin", "seqlab-cells", *verb, "--plugins", "elsewhere", "--no-plugin")
    assert seqlab_command("plugins", *both, "dropped").code == 2


def test_a_file_is_checked_without_being_dropped_in(seqlab_command, drop):
    drop(FORGETFUL, "mine")
    Path("plugins/mine.py").rename("mine.py")
    result = seqlab_command("plugins", "check", "mine.py", "--json")
    assert result.code == 3
    broken = {r["check"]: r["message"] for r in json.loads(result.out) if r["verdict"] == "broken"}
    assert "rows_do_not_mix" in broken
    message = broken["rows_do_not_mix"]
    assert message.startswith("expected row 0 among others to equal the row alone: outputs; seen:")
    assert message.endswith("why: docs/conformance.md#rows_do_not_mix")


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("goood", 2, "no component, plugin or file 'goood'; did you mean 'good'?"),
        ("nobody.py", 2, "nobody.py: there is no such file"),
        ("failing", 3, "plugin 'failing' (plugins/failing.py): cannot be imported: ValueError: oh"),
    ],
)
def test_what_cannot_be_checked_is_named(seqlab_command, drop, name, code, message):
    drop(GOOD)
    drop("raise ValueError('oh')", "failing")
    result = seqlab_command("plugins", "check", name)
    assert (result.code, message in result.err) == (code, True), result.err


# -- explain


@pytest.fixture
def laid_over(tiny):
    """An experiment that extends another one."""
    Path("base.yaml").write_text(dump_yaml(tiny), "utf-8")
    Path("over.yaml").write_text("extends: base.yaml\noptimizer: {lr: 0.5}\n", "utf-8")
    return "over.yaml"


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        ("optimizer.lr", ["value       0.5", "from        over.yaml:2:17", "number, > 0"]),
        ("sampler.window", ["value       8", "from        base.yaml:"]),
        ("optimizer.clip_norm", ["value       2", "--set optimizer.clip_norm=2", "seqlab itself"]),
        ("optimizer.eps", ["default in ", "basic.py:", "plugin 'seqlab-optimizers' (seqlab "]),
        ("train.seed", ["value       0", "default in ", "sections.py:"]),
        ("decoder.name", ["value       greedy", "default of the section", "decoder 'greedy'"]),
    ],
)
def test_a_key_is_explained(seqlab_command, laid_over, key, lines):
    result = seqlab_command("explain", laid_over, key, "--set", "optimizer.clip_norm=2")
    assert result.code == 0
    assert [line for line in lines if line not in result.out] == []


def test_a_key_inside_an_option_is_explained_as_any_other(seqlab_command, laid_over):
    overrides = ["--set", "train.stop={patience: 3, split: train}"]
    result = seqlab_command("explain", laid_over, "train.stop.patience", *overrides)
    lines = ["value       3", "--set train.stop=", "integer", "> 0", "this many rows without"]
    assert [line for line in lines if line not in result.out] == []
    whole = seqlab_command("explain", laid_over, "train.stop", *overrides)
    assert "train.stop.min_delta\t0.0\tdefault in " in whole.out


EITHER = """
    from dataclasses import dataclass

    import seqlab

    @dataclass
    class Ramp:
        '''A ramp.'''

        to: float = 1.0

    class Ramped:
        '''Chooses on a ramp.'''

        def __init__(self, *, ramp: Ramp | dict[str, float] | None = None):
            self.ramp = ramp

        def choose(self, logits, history, uniform):
            return logits.argmax(-1)

    @seqlab.hookimpl
    def seqlab_register_decoders():
        return {"ramped": Ramped}
"""


def test_a_mapping_that_is_not_the_dataclass_is_explained_as_a_whole(
    seqlab_command, drop, laid_over
):
    drop(EITHER)
    override = ["--set", "decoder={name: ramped, ramp: {begin: 2.0}}"]
    result = seqlab_command("explain", laid_over, "decoder.ramp", *override)
    assert result.code == 0
    assert "begin" in result.out


def test_every_key_is_explained_at_once(seqlab_command, laid_over):
    rows = [line.split("\t") for line in seqlab_command("explain", laid_over).out.splitlines()]
    origins = {key: origin for key, _, origin in rows[1:]}
    assert origins["optimizer.lr"] == "over.yaml:2:17"
    assert origins["observers.0.name"] == "default of the section"
    assert {key.partition(".")[0] for key in origins} >= {"corpus", "cell", "model", "train"}


def test_a_section_is_explained_as_json(seqlab_command, laid_over):
    rows = json.loads(seqlab_command("explain", laid_over, "cell", "--json").out)
    assert {row["key"]: row["value"] for row in rows}["cell.hidden_size"] == 16


def test_a_key_that_nobody_has_is_a_mistake_of_use(seqlab_command, laid_over):
    result = seqlab_command("explain", laid_over, "optimzer.lr")
    assert (result.code, result.err.strip()) == (
        2,
        "seqlab: no key 'optimzer.lr'; did you mean 'optimizer.lr'?",
    )


# -- plugins that fail


@pytest.fixture
def failing(install):
    """Three packages that fail: on import, in a hook, and by a clash of names."""
    install("failing_import", "import nobody_has_this")
    hook = "import seqlab\n\n@seqlab.hookimpl\ndef seqlab_register_{}():\n    {}\n"
    install("failing_hook", hook.format("cells", "raise RuntimeError('oh')"))
    clash = "return {'rnn': seqlab.Registry}"
    install("failing_clash", hook.format("cells", clash).replace("seqlab.Registry", "list"))
    source = "from torch import nn\n\ndef rnn(input_size):\n    return nn.Linear(1, 1)\n\n"
    install("second_clash", source + hook.format("cells", "return {'rnn': rnn}"))


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize(
    "command",
    [
        ("run", "tiny.yaml", "--run-dir", "here", "--no-plugin", "second_clash"),
        ("validate", "tiny.yaml", "--set", "cell=gru"),
        ("explain", "tiny.yaml", "cell", "--set", "cell=gru"),
        ("schema",),
        ("plugins",),
        ("plugins", "show", "cell", "gru"),
        ("plugins", "check", "constant"),
        ("runs",),
    ],
    ids=" ".join,
)
def test_every_command_works_beside_plugins_that_fail(seqlab_command, experiment, command):
    result = seqlab_command(*command)
    assert result.code == 0, result.err
    if command[0] not in {"runs"} and "check" not in command:
        assert "plugin 'failing_import' (failing_import 1.0): cannot be imported" in result.err
        assert (
            "plugin 'failing_hook' (failing_hook 1.0): hook seqlab_register_cells f" in result.err
        )


@pytest.mark.usefixtures("failing")
def test_a_clash_is_named_with_both_plugins_and_the_way_out(seqlab_command, experiment):
    result = seqlab_command("validate", experiment)
    assert result.code == 3
    assert "cell 'rnn' is offered by 'seqlab-cells' (seqlab " in result.err
    assert "and 'second_clash' (second_clash 1.0); run with --no-plugin NAME" in (result.err)


@pytest.mark.usefixtures("failing")
def test_doctor_names_all_that_fail(seqlab_command):
    result = seqlab_command("doctor")
    assert result.code == 3
    for name in ("failing_import", "failing_hook", "failing_clash", "second_clash"):
        assert name in result.out
