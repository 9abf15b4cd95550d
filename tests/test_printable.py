"""Control characters are shown, in every form that text is printed in."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqlab.printable import (
    cell,
    csv_cell,
    from_here,
    json_text,
    one_line,
    pasted,
    shown_path,
    visible,
)

anything = st.text(st.characters(codec=None, exclude_categories=()))
in_files = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)


def is_sent(character):
    """Whether a terminal would do something else than show it."""
    return unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs") or character in BIDI


BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@given(anything)
@example("\x1b]0;title\x07")
@example("\u202eevil")
@example("a\rb")
def test_no_control_character_is_sent(text):
    assert not any(is_sent(c) for c in visible(text) if c not in "\n\t")
    assert not any(map(is_sent, one_line(text)))
    assert not any(map(is_sent, cell(text)))


@given(st.text(st.characters(exclude_categories=("C", "Zl", "Zp"))))
@example("👩‍🔬 分开 עברית")
def test_other_text_is_as_it_was(text):
    assert visible(text) == text


@given(anything)
def test_json_reads_back_as_it_was_and_sends_nothing(text):
    shown = json_text({"a": [text]})
    assert json.loads(shown) == {"a": [text]}
    assert not any(map(is_sent, shown))


@settings(max_examples=40, deadline=None)
@given(st.lists(in_files, min_size=1, max_size=3))
@example(["a'; touch RAN; echo '", "$(touch RAN)", "\x1b[31m", "-n\n"])
def test_what_is_pasted_is_the_same_words_in_a_shell(words):
    script = f"printf '%s\\0' {pasted(words)}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    assert done.stdout.split(b"\0")[:-1] == [word.encode() for word in words]
    assert not any(map(is_sent, pasted(words)))


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "@SUM(A1)", "-2+3", "\t=1", "\r=1"])
def test_no_cell_of_csv_is_a_formula(text):
    written = io.StringIO()
    csv.writer(written).writerow([csv_cell(text)])
    (row,) = next(csv.reader([written.getvalue()]))
    assert row[0] not in "=+-@\t\r"


@pytest.mark.parametrize("text", ["-1.5", "+3", "-1e-05", "nan", "0", "text"])
def test_a_number_in_csv_stays_one(text):
    assert csv_cell(text) == text


def test_paths_below_the_working_folder_are_shown_from_there():
    here = Path.cwd()
    assert from_here(f"{here}/a/b: is no '{here}/c'; {here}") == f"a/b: is no 'c'; {here}"
    assert from_here(f"/mnt{here}/a {here}-b/c") == f"/mnt{here}/a {here}-b/c"
    assert shown_path(here / "a" / "b") == "a/b"
    assert shown_path("/elsewhere/a") == "/elsewhere/a"
