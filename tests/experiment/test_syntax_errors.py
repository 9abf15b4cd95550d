"""Where a file that is no YAML is wrong: at the mistake, not where a parser cannot go on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import seqlab
from seqlab.experiment.syntax_errors import fault_in
from seqlab.registry import resolve

SHIPPED = [
    path.read_text("utf-8")
    for path in sorted((Path(__file__).parents[2] / "experiments").glob("*.yaml"))
]
NEVER = "is opened here and never closed; "
MISTAKES = {
    "brace": ("a: {b: 1\nc: {d: 2}\n", f"1:4: '{{' {NEVER}'}}' is missing"),
    "brace at the end": ("a: 1\nb: {c: 1,\n", f"2:4: '{{' {NEVER}'}}' is missing"),
    "bracket": ("a: [1, 2\nb: 3\n", f"1:4: '[' {NEVER}']' is missing"),
    "brace before a block": ("a: {b: 1\nc: |\n  x\n", f"1:4: '{{' {NEVER}'}}' is missing"),
    "bracket in a brace": (
        "a: {b: [1, 2, c: 3}\n",
        "1:8: '[' is opened here, and '}' in line 1, column",
    ),
    "brace too many": ("a: {b: 1}}\n", "1:10: '}' closes nothing"),
    "comma": (
        "a: {b: 1 c: 2}\n",
        "1:8: ',' is missing in '1 c'; the '{' is opened in line 1, column 4",
    ),
    "no value": ("a: {b: 1,, c: 2}\n", "1:10: a value is missing before ','"),
    "quote": ("a: 'b\nc: 1\n", "1:4: the quote ' is opened here and never closed"),
    "quote of another line": (
        'a: "b\nc: "d"\n',
        '1:4: the quote " is opened here and closed only in line 2',
    ),
    "quote in a brace": (
        "样: [分开, '不分开]\nb: 1\n",
        "1:9: the quote ' is opened here and never closed",
    ),
    "quote in quotes": (
        "a: 'it's'\n",
        "1:8: text after a closed quote; write a quote inside of quotes as ''",
    ),
    "escape": ('a: "C:\\q"\n', "a \\ in double quotes begins an escape"),
    "tab": ("a:\n\tb: 1\n", "2:1: a tab cannot indent YAML; use spaces"),
    "tab after spaces": ("a:\n  b: 1\n  \tc: 2\n", "3:3: a tab cannot indent YAML; use spaces"),
    "space, first": ("a:1\nb: 2\n", "1:3: a space is missing after 'a:'"),
    "space, last": ("a: 1\nb:2\n", "2:3: a space is missing after 'b:'"),
    "space, within": ("a:\n  b: 1\n  c:2\n  d: 3\n", "3:5: a space is missing after 'c:'"),
    "space, alone": ("cell:rnn\n", "1:1: a space is missing after 'cell:'"),
    "space in a brace": ("a: {b:1, c: 2}\n", "1:5: a: a space is missing after 'b:'"),
    "colon": ("a: 1\nb\nc: 3\n", "2:1: 'b' is no KEY: VALUE; a ':' is missing"),
    "second colon": ("a: b: c\n", "1:5: a second ': ' in one line"),
    "indented more": ("a:\n  b: 1\n   c: 2\n", "3:4: 'c: 2' is indented more than line 2"),
    "indented between": ("a:\n    b: 1\n  c: 2\n", "3:3: is indented by 2 spaces, where 0 or 4"),
    "indented less": ("  a: 1\nb: 2\n", "2:1: is indented by 0 spaces, where 2"),
    "list": ("a:\n  - 1\n - 2\n", "3:2: is indented by 1 space, where 0 or 2"),
    "at sign": ("a: @b\n", "1:4: a text cannot start with '@'; put it in quotes"),
    "percent": ("a: 5\nb: %c\n", "2:4: a text cannot start with '%'; put it in quotes"),
    "block on one line": ("a: |b\n", "1:4: a text cannot start with '|'; put it in quotes"),
    "after a brace": ("a: {b: 1} c: 2\n", "1:11: text after a value that has ended"),
    "two documents": ("a: 1\n---\nb: 2\n", "2:1: a second document begins here"),
}


@pytest.mark.parametrize(("text", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_where_it_is_with_what_would_be_right(refusal, text, expected):
    message = refusal(text)
    assert message.startswith("e.yaml:")
    assert expected in message


@pytest.mark.parametrize(("text", "expected"), MISTAKES.values(), ids=MISTAKES.keys())
def test_without_libyaml_the_same_is_told(text, expected):
    try:
        yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        fault = fault_in(text, error, yaml.SafeLoader)
        assert expected in f"{fault.line + 1}:{fault.column + 1}: {fault.message}"


def test_an_override_says_what_is_wrong_with_its_value(refusal):
    said = refusal("a: 1", "cell={name: rnn")
    assert "cell={name: rnn" in said
    assert said.endswith(
        "the value is not YAML: '{' is opened here and never closed; '}' is missing"
    )


def test_a_key_with_a_colon_and_a_value_is_a_key(read):
    assert read("a: {b:c: 1, 'd:e', http://f: null}") == {
        "a": {"b:c": 1, "d:e": None, "http://f": None}
    }


PLACE = re.compile(r"cut\.yaml:(\d+):(\d+): ")


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_an_experiment_cut_anywhere_is_valid_or_wrong_at_a_place_inside(registry, data):
    whole = data.draw(st.sampled_from(SHIPPED))
    text = whole[: data.draw(st.integers(0, len(whole)))]
    path = Path("cut.yaml")
    path.write_text(text, "utf-8")
    try:
        resolve(seqlab.read_experiment(path), registry)
    except seqlab.ExperimentError as error:
        for line in error.lines:
            assert is_empty(text) or is_inside(text, PLACE.match(line)), line


def is_empty(text: str) -> bool:
    return all(line.startswith("#") or not line for line in text.split("\n"))


def is_inside(text: str, place: re.Match[str] | None) -> bool:
    """Whether a line and a column are those of a character, or of the end of a line."""
    assert place
    line, column = int(place[1]), int(place[2])
    lines = text.split("\n")
    return 1 <= line <= len(lines) and 1 <= column <= len(lines[line - 1]) + 1
