"""What has a colour, and where nothing has."""

from __future__ import annotations

from pathlib import Path

import pytest
from terminals import Terminal

BOLD, RED, GREEN, YELLOW, CYAN = (f"\x1b[{code}m" for code in ("1", "31", "32", "33", "36"))
END = "\x1b[0m"


@pytest.fixture
def colored(monkeypatch, seqlab_command):
    """What a verb prints where colours are asked for."""

    def colored(*arguments: object, **environment: str) -> str:
        for name, value in ({"FORCE_COLOR": "1", "TERM": "xterm"} | environment).items():
            monkeypatch.setenv(name, value)
        result = seqlab_command(*arguments)
        return result.out + result.err

    return colored


def test_the_place_and_the_key_of_a_complaint_stand_out(colored, experiment):
    wrong = experiment.read_text("utf-8").replace("hidden_size: 16", "hidden_size: no")
    experiment.write_text(wrong, "utf-8")
    line = wrong.splitlines().index("  hidden_size: no") + 1
    said = colored("validate", experiment)
    place = f"{BOLD}tiny.yaml:{line}:16{END}"
    assert said.startswith(f"{place}: {CYAN}cell.hidden_size{END}: should be")


def test_an_error_is_red_where_it_begins_and_a_warning_is_yellow(colored, drop, experiment):
    drop("raise ValueError('no')")
    said = colored("resume", "nothing")
    assert f"\x1b[1;31mseqlab:{END} run 'nothing'" in said
    assert f"seqlab: {YELLOW}warning:{END} plugin" in colored("validate", "--quick", experiment)
    assert f"\x1b[1;31mError:{END} no command" in colored("nothing")


def test_what_is_valid_is_green(colored, experiment):
    assert f"tiny.yaml: {GREEN}is valid{END}" in colored("validate", experiment)


def test_a_state_in_a_table_has_the_colour_of_how_it_is(colored, drop):
    drop("raise ValueError('no')")
    said = colored("plugins")
    assert f"{GREEN}ok" in said
    assert f"{RED}failed" in said


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
@pytest.mark.parametrize("arguments", [("validate", "missing.yaml"), ("plugins",), ("nothing",)])
def test_who_asks_for_no_colours_gets_none(colored, arguments, environment):
    assert "\x1b[3" not in colored(*arguments, **environment)


@pytest.mark.parametrize("arguments", [("validate", "missing.yaml"), ("plugins",), ("nothing",)])
def test_a_pipe_gets_no_colours(seqlab_command, arguments):
    result = seqlab_command(*arguments)
    assert "\x1b" not in result.out + result.err


def test_control_characters_of_a_message_are_shown_beside_colours(colored):
    Path("x.yaml").write_text('"\\e[31mred": 1\n')
    said = colored("validate", "x.yaml")
    assert "\\x1b[31mred" in said
    assert f"{BOLD}x.yaml:1:1{END}" in said


def test_a_terminal_gets_colours():
    Path("x.yaml").write_text("cell: {name: rnn\n")
    terminal = Terminal("validate", "x.yaml", NO_COLOR="", FORCE_COLOR="")
    try:
        assert f"{BOLD}x.yaml:1:7{END}: '{{' is opened here" in terminal.until(None)
    finally:
        terminal.close()
