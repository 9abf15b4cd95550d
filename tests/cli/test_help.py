"""The help of every command: it fits a screen, and its examples are commands that there are."""

from __future__ import annotations

import shlex
from importlib import import_module

import click
import pytest

from seqlab.cli.help_texts import EXAMPLES, GROUPS, VERBS


def commands() -> dict[str, click.Command]:
    """Every command of seqlab by its words."""
    found: dict[str, click.Command] = {}
    for verb in VERBS:
        command = import_module(f"seqlab.cli.{verb}").command
        found[verb] = command
        inner = command.commands if isinstance(command, click.Group) else {}
        found |= {f"{verb} {name}": each for name, each in inner.items()}
    return found


@pytest.mark.parametrize("words", commands())
def test_a_help_fits_a_screen_of_eighty_columns_and_ends_with_examples(seqlab_command, words):
    lines = seqlab_command(*words.split(), "--help").out.rstrip().split("\n")
    assert all(len(line) <= 80 for line in lines)
    assert len(lines) <= 50
    at = lines.index("  Examples:")
    assert [line.strip() for line in lines[at + 1 :]] == [*EXAMPLES[words]]


@pytest.mark.parametrize("example", [line for lines in EXAMPLES.values() for line in lines])
def test_an_example_is_a_command_that_there_is(example):
    known = commands()
    name, verb, *arguments = shlex.split(example.partition(" > ")[0])
    words = f"{verb} {arguments[0]}" if arguments else verb
    if words in known:
        arguments = arguments[1:]
    elif f"{verb} list" in known:  # what a group does when it is told nothing else
        words = f"{verb} list"
    else:
        words = verb
    assert name == "seqlab"
    known[words].make_context(words, arguments)  # raises what is wrong with them


def test_every_command_has_examples():
    assert EXAMPLES.keys() == commands().keys()


def test_without_a_verb_a_newcomer_is_told_what_to_type_first(seqlab_command):
    said = seqlab_command()
    lines = (said.out + said.err).split("\n")
    start = lines.index("  Start with:")
    assert [line.split()[:2] for line in lines[start + 1 : start + 4]] == [
        ["seqlab", "init"],
        ["seqlab", "run"],
        ["seqlab", "generate"],
    ]
    assert all(f"{title}:" in lines for title in GROUPS)
    assert all(len(line) <= 80 for line in lines)
