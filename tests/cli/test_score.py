"""score, as a user calls it; and eval of a text that is no split."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
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
    assert f"seqlab: 7 tokens, 6 predicted: loss {expected.loss:.6g}" in result.err
    assert f"perplexity {expected.perplexity:.6g}" in result.err


def test_json_has_the_numbers_of_python_and_their_unit(score):
    expected = seqlab.open_run("here").score("the fox")
    found = json.loads(score("the fox", "--json").out)
    assert found["unit"] == "nats"
    assert found["surprisal"] == pytest.approx(expected.surprisal, nan_ok=True)
    assert (found["ids"], found["tokens"]) == (list(expected.ids), list("the fox"))
    assert found["loss"] == pytest.approx(expected.loss)
    assert found["predicted"] == expected.predicted == len(found["tokens"]) - 1


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


def tokens_of(result):
    return [line.split("\t")[2] for line in result.out.splitlines()[1:]]


@pytest.fixture
def trained_on(tiny, text_file):
    """Train on the words of the text in a corpus of other options; return a call of score."""

    def train(text="the fox jumps over\nthe lazy dog\n" * 30, corpus=None, tokenizer=None):
        Path("own.txt").write_text(text, "utf-8")
        section = {"name": "text", "path": "own.txt"} | (corpus or {})
        changed = {"corpus": section, "train": {"steps": 2}}
        changed |= {"tokenizer": tokenizer} if tokenizer else {}
        return seqlab.run(tiny | changed, run_dir="there")

    return train


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_a_file_is_scored_with_the_newlines_of_the_run(trained_on, seqlab_command, ending):
    trained_on(corpus={"newlines": "space"})
    Path("two.txt").write_bytes(f"the fox\nthe dog{ending}".encode())
    as_spaces = " " * len(ending)
    assert tokens_of(seqlab_command("score", "there", "two.txt")) == [
        *"the fox the dog",
        *as_spaces,
    ]


@pytest.mark.parametrize("unknown", ["error", "token"])
def test_the_last_newline_is_left_out_where_the_vocabulary_has_none(
    trained_on, seqlab_command, unknown
):
    trained_on(corpus={"documents": "line"}, tokenizer={"name": "characters", "unknown": unknown})
    Path("one.txt").write_text("the fox\n", "utf-8")
    assert tokens_of(seqlab_command("score", "there", "one.txt")) == [*"the fox"]


def test_newlines_are_spaces_where_the_corpus_of_the_run_has_none_and_no_word_of_them(
    tiny, seqlab_command
):
    tiny |= {"corpus": {"name": "original_lyrics", "max_characters": 3000}}
    seqlab.run(tiny | {"train": {"steps": 2}}, run_dir="there")
    Path("song.txt").write_text("不分开\n不\n", "utf-8")
    assert tokens_of(seqlab_command("score", "there", "song.txt")) == [*"不分开 不 "]
    assert seqlab_command("eval", "there", "--text", "song.txt").code == 0


def test_a_text_on_the_command_line_is_scored_as_it_is(trained_on, seqlab_command):
    trained_on(corpus={"newlines": "space"})
    result = seqlab_command("score", "there", "the fox\n")
    assert (result.code, result.out) == (2, "")
    assert "is not in the vocabulary" in result.err


def test_stdin_is_read_as_a_file_is_and_called_so(trained_on):
    trained_on(corpus={"newlines": "space"})
    command = [sys.executable, "-m", "seqlab", "score", "there", "-"]
    piped = subprocess.run(command, input=b"the fox\n", capture_output=True)
    Path("fox.txt").write_text("the fox\n", "utf-8")
    with Path("fox.txt").open("rb") as file:
        redirected = subprocess.run(command, stdin=file, capture_output=True)
    assert redirected.stdout == piped.stdout == piped.stdout.rstrip(b" \n") + b" \n"
    wrong = subprocess.run(command, input=b"\xff\xff\xff", capture_output=True)
    assert (wrong.returncode, wrong.stderr[:25]) == (4, b"seqlab: -: is not utf-8 a")


IMPOSSIBLE = [
    (("nobody.txt",), "nobody.txt: no such file; with --text it is scored as a text"),
    ((".",), ".: is a folder; give a file"),
    (("latin.txt",), "latin.txt: is not utf-8 at byte 1"),
    (("gbk.txt",), "it may be gb18030 or cp949: `--encoding gb18030`"),
    (("word.txt",), "word.txt: is a Word document (docx): save it as plain text"),
    (("page.html",), "page.html: is a web page (HTML)"),
    (("empty.txt",), "empty.txt: is empty"),
    (("latin.txt", "--encoding", "utf-99"), "--encoding: there is no encoding 'utf-99'"),
    (("t",), "needs at least 2 tokens; this one has 1"),
    (("",), "needs at least 2 tokens; this one has 0"),
    (("tH",), "character 'H' (U+0048) at position 1"),
    (("the fox", "--checkpoint", "7"), "step 7"),
]


@pytest.mark.parametrize(("arguments", "message"), IMPOSSIBLE)
def test_what_cannot_be_scored_is_told_in_one_line(score, arguments, message):
    Path("latin.txt").write_bytes("h\xe9\n".encode("latin-1"))
    Path("gbk.txt").write_bytes(("我们的歌在风里慢慢地唱，谁也不愿先离开。\n" * 20).encode("gbk"))
    Path("page.html").write_text("<html><p>the fox</p>", "utf-8")
    Path("empty.txt").touch()
    with zipfile.ZipFile("word.txt", "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
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
    told = seqlab_command("eval", "there", "--text", "other.txt", "--rows", "2", "--json")
    text = json.loads(told.out)
    same = ("loss", "perplexity", "bits_per_character", "bits_per_byte", "tokens")
    assert [text[name] for name in same] == [split[name] for name in same]
    assert text["corpus"]["name"] == "text"


def test_a_text_is_one_stream_whatever_the_rows_of_training_so_that_score_agrees(
    held_out, seqlab_command
):
    told = json.loads(seqlab_command("eval", "there", "--text", "other.txt", "--json").out)
    scored = json.loads(seqlab_command("score", "there", "other.txt", "--json").out)
    assert told["tokens"] == scored["predicted"]
    assert told["loss"] == pytest.approx(scored["loss"], rel=1e-6)


def test_a_text_has_the_documents_of_the_run(trained_on, seqlab_command):
    run = trained_on(corpus={"documents": "line"})
    Path("lines.txt").write_text("the fox\nthe dog\n", "utf-8")
    told = json.loads(seqlab_command("eval", "there", "--text", "lines.txt", "--json").out)
    assert told["corpus"]["documents"] == "line"
    assert told["tokens"] == 13 + (run.tokenizer.end_of_document is not None)


def test_a_text_in_another_encoding_is_evaluated_on_demand(held_out, seqlab_command):
    Path("wide.txt").write_bytes(Path("other.txt").read_text("utf-8").encode("utf-16"))
    plain = seqlab_command("eval", "there", "--text", "other.txt", "--json")
    result = seqlab_command("eval", "there", "--text", "wide.txt", "--encoding", "utf-16", "--json")
    assert json.loads(result.out)["loss"] == json.loads(plain.out)["loss"]


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
        (("--text", "nobody"), "seqlab: --text nobody: there is no such file\n"),
        (("--text", "."), "seqlab: --text .: is a folder; write ./*.txt for the files in it\n"),
        (("--text", "empty.txt"), "seqlab: --text empty.txt: is empty\n"),
        (("--text", "gbk.txt"), "seqlab: --text gbk.txt: is not utf-8 at byte 0 (invalid"),
        (("--text", "gbk.txt"), "it may be gb18030 or cp949: `--encoding gb18030`\n"),
        (("--text", "page.html"), "`seqlab eval --corpus '{name: text, markup: true, …}'` keeps"),
        (("--text", "other.txt", "--encoding", "utf-99"), "--encoding: there is no encoding 'utf-"),
        (("--encoding", "gbk"), "--encoding is that of --text FILE; give one"),
        (("--corpus", "{name: text, path: no}"), "seqlab: --corpus: corpus.path: no: there is no"),
        (("--text", "other.txt", "--corpus", "text"), "--text and --corpus exclude each other"),
        (("--corpus", "[a"), "--corpus"),
        (("--corpus", "[a]"), "--corpus should be a name, or {name: …} with options"),
        (("--text", "other.txt", "--split", "valid"), "has no split 'valid' (it has train)"),
    ],
)
def test_a_text_that_cannot_be_evaluated_is_told(held_out, seqlab_command, arguments, message):
    Path("gbk.txt").write_bytes(("我们的歌在风里慢慢地唱，谁也不愿先离开。\n" * 20).encode("gbk"))
    Path("page.html").write_text("<html><p>the fox</p>", "utf-8")
    Path("empty.txt").touch()
    result = seqlab_command("eval", "there", *arguments)
    assert (result.code in (2, 4), result.out) == (True, "")
    assert message in result.err
