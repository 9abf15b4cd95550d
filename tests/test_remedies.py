"""What helps is data, and who is told it is told in their own words."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqlab
from seqlab.cli.remedies import as_options
from seqlab.remedies import (
    Argument,
    OptionValue,
    Override,
    PluginFolder,
    Remedy,
    Resumption,
    Verb,
    WithoutPlugin,
    in_python,
    worded,
)

REMEDIES = [
    (Override("a=1"), 'overrides=["a=1"]', "--set a=1"),
    (Override('a="x"'), "overrides=['a=\"x\"']", '--set a="x"'),
    (
        PluginFolder(Path("my plugins")),
        'seqlab.load_plugins("my plugins")',
        "--plugins 'my plugins'",
    ),
    (WithoutPlugin("x"), 'seqlab.load_plugins(without=["x"])', "--no-plugin x"),
    (Argument("run_dir"), "`run_dir`", "--run-dir"),
    (OptionValue("encoding", "gbk"), "`encoding: gbk`", "`encoding: gbk`"),
    (Verb("runs"), "`seqlab.runs()`", "`seqlab runs`"),
    (Verb("eval"), "`run.evaluate()`", "`seqlab eval`"),
    (
        Resumption("here", [Override("a=1")], ["--no-plugin", "x"]),
        'seqlab.open_run("here").resume(overrides=["a=1"])',
        "seqlab resume here --set a=1 --no-plugin x",
    ),
]


@pytest.mark.parametrize(("remedy", "python", "command"), REMEDIES)
def test_python_and_the_command_say_the_same_in_their_own_words(remedy, python, command):
    assert (str(remedy), in_python(remedy)) == (python, python)
    with worded(as_options):
        assert f"{remedy}" == command
    assert str(remedy) == python


def test_every_remedy_has_words_in_both():
    assert {type(remedy) for remedy, *_ in REMEDIES} == {*Remedy.__subclasses__()}


def test_text_that_looks_like_a_remedy_stays_as_it_is(tiny):
    tiny["corpus"]["path"] = "override `x`"
    with worded(as_options), pytest.raises(seqlab.SeqlabError, match="override `x`"):
        seqlab.run(tiny)
