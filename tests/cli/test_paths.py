"""Paths below the working folder are told as they are from there, however they were given."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import seqlab


@pytest.fixture
def here(experiment, make_run) -> Path:
    make_run("runs/songs/20260101T000000Z-abc123")
    plugins = Path("plugins")
    plugins.mkdir()
    dropped = Path(seqlab.__file__).parents[1] / "plugins" / "minimal_gated_unit.py"
    if dropped.is_file():
        shutil.copy(dropped, plugins)
    return Path.cwd()


VERBS = [
    "run {}/tiny.yaml --root {}/more",
    "run {}/tiny.yaml --run-dir {}/runs",
    "run {}/tiny.yaml --set corpus.path={}/missing.txt",
    "validate {}/tiny.yaml {}/missing.yaml",
    "explain {}/tiny.yaml",
    "explain {}/tiny.yaml corpus.path",
    "describe {}/tiny.yaml",
    "describe {}/missing",
    "corpus describe {}/tiny.yaml",
    "corpus build {}/tiny.yaml",
    "runs {}/runs/songs",
    "runs tag {}/runs/songs/20260101T000000Z-abc123 a",
    "compare {}/runs/songs",
    "doctor {}/runs/songs/20260101T000000Z-abc123",
    "resume {}/runs/songs/20260101T000000Z-abc123",
    "plugins --plugins {}/plugins",
    "plugins new cell mine --into {}/plugins",
    "plugins check {}/missing.py",
    "init {}/new",
]


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_tells_an_absolute_path_below_the_working_folder(seqlab_command, here, verb):
    result = seqlab_command(*verb.format(*[here] * 2).split())
    assert result.out + result.err
    assert str(here) not in result.out + result.err


def test_a_component_that_was_dropped_in_is_shown_where_it_lies_from_here(seqlab_command, drop):
    drop("""
        import seqlab
        def plain(*, every: int = 1):
            return object()
        @seqlab.hookimpl
        def seqlab_register_observers():
            return {"plain": plain}
    """)
    said = seqlab_command(
        "plugins", "show", "observer", "plain", "--plugins", Path.cwd() / "plugins"
    )
    assert "plugin dropped, plugins/dropped.py:3" in said.out


def test_what_a_program_reads_has_the_whole_path(seqlab_command, here):
    assert str(here / "text.txt") in seqlab_command("run", "tiny.yaml", "--print-config").out
