"""Tags and notes: what people say of runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import seqlab
from seqlab.errors import CheckpointError, UsageError
from seqlab.runs.folder import RunFolder
from seqlab.runs.notes import Notes, add_tags, check_tag, read_notes, remove_tags, set_note


@pytest.fixture
def folder(make_run):
    return RunFolder(make_run("runs/x/here"))


def is_tag(word: str) -> bool:
    try:
        check_tag(word)
    except UsageError:
        return False
    return True


def test_tags_and_a_note_are_read_as_they_were_given(folder):
    assert read_notes(folder) == Notes()
    add_tags(folder, ["good", "第二-1.0", "good"])
    set_note(folder, "two lines\nof \x1b text")
    assert read_notes(folder) == Notes(("good", "第二-1.0"), "two lines\nof \x1b text")
    remove_tags(folder, ["good"])
    assert set_note(folder, "") == Notes(("第二-1.0",))


@given(st.text(max_size=70))
def test_a_tag_is_a_word_of_a_shell_and_never_an_id(word):
    if is_tag(word):
        assert re.fullmatch(r"[^\W_][\w.-]{0,63}", word)
        assert not re.fullmatch(r"[0-9a-f]{6,}", word.lower())
        assert word.lower() != "latest"


@given(st.from_regex(r"[g-z][g-z0-9._-]{0,60}", fullmatch=True))
def test_other_words_are_tags(word):
    assert is_tag(word) is (word != "latest")


@pytest.mark.parametrize(
    "word",
    [
        "",
        "-x",
        ".x",
        "_x",
        "a b",
        "a/b",
        "a\n",
        "a*",
        "Latest",
        "ABCDEF",
        "0a1b2c3d",
        "x" * 65,
        "20260101T000000Z-aaaaaa",
        "\x1b[31m",
        "a\u202eb",
    ],
)
def test_what_cannot_be_a_tag_is_refused_with_what_would_be_right(word, folder):
    with pytest.raises(UsageError, match="tag"):
        add_tags(folder, ["good", word])
    assert read_notes(folder) == Notes()


def test_a_tag_that_a_run_lacks_cannot_be_taken_away(folder):
    add_tags(folder, ["good"])
    with pytest.raises(UsageError, match=r"has no tag 'bad\.x'; its tags are: good"):
        remove_tags(folder, ["good", "bad.x"])
    assert read_notes(folder).tags == ("good",)


def test_there_are_limits(folder):
    with pytest.raises(UsageError, match="101 tags, of 100"):
        add_tags(folder, [f"x{i}" for i in range(101)])
    with pytest.raises(UsageError, match="10,000 is the most"):
        set_note(folder, "x" * 10_001)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"format": 2, "tags": [], "note": ""}',
        '{"format": 1, "tags": ["a b"], "note": ""}',
        '{"format": 1, "tags": "x", "note": ""}',
        "[" * 100000,
        " " * (1 << 21),
    ],
)
def test_a_damaged_file_is_refused_by_name(folder, content):
    folder.notes.write_text(content)
    for act in (read_notes, lambda f: add_tags(f, ["x"]), lambda f: set_note(f, "x")):
        with pytest.raises(CheckpointError, match=r"notes\.json"):
            act(folder)
    assert folder.notes.read_text() == content


def test_a_link_is_not_followed(folder):
    Path("elsewhere.json").write_text('{"format": 1, "tags": [], "note": ""}')
    folder.notes.symlink_to(Path("elsewhere.json").absolute())
    with pytest.raises(CheckpointError, match="is a link"):
        add_tags(folder, ["x"])


def test_tags_and_notes_survive_a_resume(tiny):
    run = seqlab.run(tiny, run_dir="here")
    add_tags(run.folder, ["good"])
    set_note(run.folder, "why")
    seqlab.resume("here", overrides=["train.epochs=2"])
    assert read_notes(run.folder) == Notes(("good",), "why")
