from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LOADED = (
    "import sys; print(sorted({'torch', 'seqlab_plugins', 'numpy', 'pydantic'} & {*sys.modules}))"
)


def _python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_help_imports_neither_torch_nor_a_plugin():
    code = f"from seqlab.cli.main import call; call(['--help']); {LOADED}"
    assert _python(code).splitlines()[-1] == "[]"


def test_importing_seqlab_imports_no_torch():
    assert _python(f"import seqlab; seqlab.hookimpl; {LOADED}").splitlines()[-1] != "['torch']"


def test_a_misspelt_command_is_answered_with_the_one_meant(seqlab_command):
    result = seqlab_command("rnu")
    assert result.code == 2
    assert "did you mean 'run'?" in result.err


def test_no_message_for_a_reader_who_stops_reading(tmp_path: Path):
    command = f"{sys.executable} -m seqlab plugins | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=tmp_path)  # noqa: S602 # the pipe is the point
    assert done.stdout.startswith("plugin")
    assert done.stderr == ""


def test_an_error_shows_a_traceback_only_when_asked(seqlab_command):
    assert "Traceback" not in seqlab_command("run", "nowhere.yaml").err
    assert "Traceback" in seqlab_command("--debug", "run", "nowhere.yaml").err


@pytest.mark.parametrize(
    "verb", ["init", "run", "generate", "validate", "schema", "plugins", "runs"]
)
def test_every_verb_has_help(verb, seqlab_command):
    result = seqlab_command(verb, "--help")
    assert result.code == 0
    assert result.out.startswith(f"Usage: seqlab {verb}")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run", "no\nwhere.yaml"), 2),
        (("corpus", "describe", "no\nwhere.txt"), 4),
        (("corpus", "describe", "\udcff.txt"), 2),
    ],
)
def test_a_strange_name_of_a_file_is_told_in_one_line(arguments, code, seqlab_command):
    result = seqlab_command(*arguments)
    assert (result.code, len(result.complaints)) == (code, 1)
    assert result.err.startswith("seqlab: ")


GREET = """
    import click
    import seqlab

    @click.command()
    @click.argument("name")
    def greet(name):
        "Say hello."
        if name == "nobody":
            raise seqlab.CorpusError("nobody is there")
        click.echo(f"hello {name}")
"""


def test_a_package_brings_a_command(seqlab_command, install):
    install("greets", GREET, "greet = greets:greet", group="seqlab.commands")
    assert "greet  greets 1.0" in seqlab_command("--help").out
    assert "greets" not in sys.modules  # help imports nothing
    assert seqlab_command("greet", "you").out == "hello you\n"
    failed = seqlab_command("greet", "nobody")
    assert (failed.code, failed.err) == (4, "seqlab: nobody is there\n")
    assert "did you mean 'greet'?" in seqlab_command("gret").err


def test_a_command_of_seqlab_is_not_replaced(seqlab_command, install):
    install("greets", GREET, "run = greets:greet", group="seqlab.commands")
    assert "Usage: seqlab run" in seqlab_command("run", "--help").out


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (
            "greet = greets:nothing",
            "cannot be loaded: AttributeError",
        ),
        (
            "greet = greets:GREET",
            "should be a click.Command, and is 3",
        ),
    ],
)
def test_a_command_that_cannot_be_used_is_named_with_its_package(
    seqlab_command, install, point, message
):
    install("greets", "GREET = 3", point, group="seqlab.commands")
    result = seqlab_command("greet", "you")
    assert (result.code, f"seqlab: command 'greet' of greets 1.0 {message}" in result.err) == (
        3,
        True,
    )


def test_a_command_of_two_packages_is_neither(seqlab_command, install):
    for name in ("greets", "salutes"):
        install(name, GREET, f"greet = {name}:greet", group="seqlab.commands")
    result = seqlab_command("greet", "you")
    assert result.code == 3
    assert "is brought by" in result.err
