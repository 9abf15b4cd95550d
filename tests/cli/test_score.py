"""score, as a user calls it; and eval of a text that is no split."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from terminals import Terminal

import seqlab


@pytest.fixture
def score(seqlab_command, trained_once):
    """Call score for a run in `here`."""
    shutil.copytree(trained_once, "here")
    return lambda *arguments: seqlab_command("score", "here", *arguments)


def test_each_token_has_a_line_with_its_surprisal_in_nats(score):
    expected = seqlab.open_run("here").score("the fox")
    result = score("the fox")
    head, *lines = result.out.splitlines()
    rows = [line.split("\t") for line in lines]
    assert head == "nats\tid\ttoken"
    assert [row[2] for row in rows] == list("the fox")
    assert rows[0][0] == ""
    assert [float(row[0]) for row in rows[1:]] == pytest.approx(expected.surprisal[1:], abs=1e-4)
    assert f"perplexity {expected.perplexity:.6g}" in result.err


def test_json_has_the_numbers_of_python_and_their_unit(score):
    expected = seqlab.open_run("here").score("the fox")
    found = json.loads(score("the fox", "--json").out)
    assert found["unit"] == "nats"
    assert found["surprisal"] == pytest.approx(expected.surprisal, nan_ok=True)
    assert (found["ids"], found["tokens"]) == (list(expected.ids), list("the fox"))
    assert found["loss"] == pytest.approx(expected.loss)


def test_a_file_is_scored_as_its_text(score):
    Path("fox.txt").write_bytes(b"\xef\xbb\xbfthe fox")
    assert score("fox.txt").out == score("the fox").out


def test_a_text_that_is_the_name_of_a_file_is_scored_on_demand(score):
    Path("dog").write_text("the fox", "utf-8")
    assert score("dog", "--text").out.splitlines()[-1].endswith("\tg")


def test_stdin_is_scored_in_its_encoding(score):
    command = [sys.executable, "-m", "seqlab", "score", "here", "-", "--encoding", "utf-16"]
    done = subprocess.run(command, input="the fox".encode("utf-16"), capture_output=True)
    assert done.stdout.decode() == score("the fox").out


def test_a_long_file_is_scored_as_one_text(score, text_file):
    text = text_file.read_text("utf-8").strip() * 3
    Path("long.txt").write_text(text, "utf-8")
    assert json.loads(score("long.txt", "--json").out)["loss"] == pytest.approx(
        seqlab.open_run("here").score(text).loss, rel=1e-6
    )


IMPOSSIBLE = [
    (("nobody.txt",), "nobody.txt: no such file; with --text it is scored as a text"),
    ((".",), ".: Is a directory"),
    (("latin.txt",), "latin.txt: is not utf-8; give its --encoding"),
    (("latin.txt", "--encoding", "utf-99"), "--encoding: there is no encoding 'utf-99'"),
    (("t",), "needs at least 2 tokens; this one has 1"),
    (("",), "needs at least 2 tokens; this one has 0"),
    (("tH",), "character 'H' (U+0048) at position 1"),
    (("the fox", "--checkpoint", "7"), "step 7"),
]


@pytest.mark.parametrize(("arguments", "message"), IMPOSSIBLE)
def test_what_cannot_be_scored_is_told_in_one_line(score, arguments, message):
    Path("latin.txt").write_bytes("h\xe9\n".encode("latin-1"))
    result = score(*arguments)
    assert (result.code in (2, 4), result.out) == (True, "")
    assert message in result.err
    assert len(result.err.splitlines()) == 1


@pytest.fixture
def on_a_terminal(trained_once):
    started = []

    def start(*arguments, **environment):
        started.append(Terminal(*arguments, **environment))
        return started[-1].until(None)

    yield start
    for terminal in started:
        terminal.close()


def test_a_terminal_shows_the_text_in_colours_with_a_legend(score, on_a_terminal):
    seen = on_a_terminal("score", "here", "the fox")
    assert "\x1b[97;41mless\x1b[0m  (surprisal of a token: -ln p, in nats)" in seen
    assert "perplexity: " in seen
    bare = on_a_terminal("score", "here", "the fox", NO_COLOR="1")
    assert "nats" in bare
    assert "97;41" not in bare


def test_control_characters_of_a_text_are_shown(seqlab_command, tiny):
    Path("text.txt").write_text("the \x1b[31mfox\x9b \u202e" * 60, "utf-8")
    seqlab.run(tiny | {"train": {"steps": 1}}, run_dir="there")
    result = seqlab_command("score", "there", "\x1b[3\u202e")
    assert result.out.splitlines()[1:][0].endswith("\t\\x1b")
    assert not {"\x1b", "\u202e"} & {*result.out}


@pytest.fixture
def held_out(tiny, text_file):
    """A run with a split, and a file with the text of that split."""
    tiny |= {"corpus": tiny["corpus"] | {"holdout": 0.3}, "evaluation": {"rows": 2}}
    run = seqlab.run(tiny, run_dir="there")
    text = text_file.read_text("utf-8")
    Path("other.txt").write_text(text[-int(len(text) * 0.3) :], "utf-8")
    return run


def test_a_text_has_the_numbers_of_the_split_that_it_is(held_out, seqlab_command):
    split = json.loads(seqlab_command("eval", "there", "--json").out)
    text = json.loads(seqlab_command("eval", "there", "--text", "other.txt", "--json").out)
    same = ("loss", "perplexity", "bits_per_character", "bits_per_byte", "tokens")
    assert [text[name] for name in same] == [split[name] for name in same]
    assert text["corpus"]["name"] == "text"


def test_another_corpus_is_evaluated_from_python_and_by_its_yaml(held_out, seqlab_command):
    corpus = {"name": "text", "path": "other.txt"}
    numbers = held_out.evaluate(corpus=corpus)
    assert numbers["loss"] == held_out.evaluate("valid")["loss"]
    told = seqlab_command("eval", "there", "--corpus", "{name: text, path: other.txt}", "--json")
    assert json.loads(told.out)["loss"] == numbers["loss"]


def test_unknown_characters_of_a_text_are_told_with_their_place(held_out, seqlab_command):
    Path("strange.txt").write_text("the \u00e9 fox", "utf-8")
    result = seqlab_command("eval", "there", "--text", "strange.txt")
    assert (result.code, len(result.err.splitlines())) == (4, 1)
    assert "character 'é' (U+00E9) at position 4 is not in the vocabulary" in result.err


def test_a_share_of_unknown_tokens_is_warned_of(tiny, seqlab_command):
    tokenizer = {"name": "characters", "unknown": "token"}
    seqlab.run(tiny | {"tokenizer": tokenizer}, run_dir="there")
    Path("strange.txt").write_text("the é fox jumps", "utf-8")
    result = seqlab_command("eval", "there", "--text", "strange.txt")
    assert "warning: 7.14% of the tokens are unknown to the run" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--text", "nobody"), "nobody: there is no such file"),
        (("--text", "other.txt", "--corpus", "text"), "--text and --corpus exclude each other"),
        (("--corpus", "[a"), "--corpus"),
        (("--corpus", "[a]"), "--corpus should be a name, or {name: …} with options"),
        (("--text", "other.txt", "--split", "valid"), "has no split 'valid' (it has train)"),
    ],
)
def test_a_text_that_cannot_be_evaluated_is_told(held_out, seqlab_command, arguments, message):
    result = seqlab_command("eval", "there", *arguments)
    assert (result.code in (2, 4), result.out) == (True, "")
    assert message in result.err
