"""What an experiment file may hold, and files that mean harm."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import seqlab
from seqlab.experiment.located import Origin, plain
from seqlab.experiment.yaml12 import MAX_BYTES, dump_yaml, load_yaml


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-3", 0.001),
        ("1E+3", 1000.0),
        ("12e03", 12000.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1.", 1.0),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("+1", 1),
        ("014", 14),
        ("0o14", 12),
        ("0x1F", 31),
        ("~", None),
        ("", None),
        ("Null", None),
        ("TRUE", True),
        ("false", False),
        *((word, word) for word in ("no", "yes", "on", "off", "y", "N", "tRUE", "inf", "nan")),
        *((word, word) for word in ("1_000", "0b1", "0o9", "-0o14", "12:30", "2001-01-01", "=")),
        ("'1e-3'", "1e-3"),
        ('"true"', "true"),
        ("!!str 1", "1"),
    ],
)
def test_a_value_means_what_yaml_1_2_says(read, written, value):
    result = read(f"a: {written}\n")["a"]
    assert (type(result), result) == (type(value), value)


def test_nan_is_a_number(read):
    assert math.isnan(read("a: .nan")["a"])


def test_a_merge_key_is_a_key_like_any_other(read):
    assert read("a: &a {x: 1}\nb: {<<: *a}") == {"a": {"x": 1}, "b": {"<<": {"x": 1}}}


@pytest.mark.parametrize("key", ["no", "2001-01-01", "'1'", '"true"', "'~'"])
def test_a_key_that_is_text_is_taken(read, key):
    assert read(f"{key}: 1\n") == {key.strip("'\""): 1}


@pytest.mark.parametrize("key", ["1", "1.5", "true", "~", "0x1F", "[a]", "{a: 1}", "!foo a"])
def test_a_key_that_is_no_text_is_refused_where_it_stands(refusal, key):
    assert refusal(f"a: 1\n? {key}\n: 2\n") == "e.yaml:2:3: has a key that is not text; quote it"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "e.yaml:3:1: a: is given twice (first in line 1)"),
        ("a: 1\n'a': 1\n", "e.yaml:2:1: a: is given twice (first in line 1)"),
        ("a:\n  x: 1\nb: 1\na:\n  y: 1\n", "e.yaml:4:1: a: is given twice (first in line 1)"),
        ("a:\n- b: 1\n  b: 2\n", "e.yaml:3:3: a.0.b: is given twice (first in line 2)"),
        ("a: {b: 1, c: {d: 1, d: 2}}", "e.yaml:1:21: a.c.d: is given twice (first in line 1)"),
    ],
)
def test_a_repeated_key_is_refused_with_both_of_its_lines(refusal, text, expected):
    assert refusal(text) == expected


def test_everything_that_is_no_value_is_said_at_once(refusal):
    lines = refusal("a: 1\na: 2\nb: !!int x\nc: !foo y\n3: z\n").splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        f"e.yaml:{position}" for position in ("2:1", "3:4", "4:4", "5:1")
    ]


@pytest.mark.parametrize("text", ["a:\n\tb: 1\n", "a:\n  b: 1\n\tc: 2\n", "\ta: 1\n"])
def test_a_tab_that_indents_is_called_a_tab(refusal, text):
    assert "tab" in refusal(text)


def test_a_tab_between_key_and_value_is_harmless(read):
    assert read("a:\t1\n") == {"a": 1}


def _bomb() -> str:
    lines = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 30)]
    return "\n".join(["l0: &l0 [lol]", *lines])


def _chain(length: int) -> str:
    return "\n".join(["l0: &l0 1", *(f"l{i}: &l{i} [*l{i - 1}]" for i in range(1, length))])


DEEP = "nests deeper than 50 levels"
HARMFUL = {
    "billion laughs": (_bomb(), "more than 20,000 values with its aliases expanded"),
    "alias in itself": ("a: &a [*a]", "1:4: is an alias that contains itself"),
    "alias in its own mapping": ("a: &a\n  b: *a", "is an alias that contains itself"),
    "document in itself": ("&a\nb: *a", "is an alias that contains itself"),
    "aliases nest deep": (_chain(60), f"{DEEP} with its aliases expanded"),
    "aliases nest very deep": (_chain(5000), "with its aliases expanded"),
    "brackets": ("a: " + "[" * 3000, f"1:53: {DEEP}"),
    "closed brackets": ("a: " + "[" * 3000 + "]" * 3000, f"1:53: {DEEP}"),
    "braces": ("{a: " * 3000, DEEP),
    "dashes": ("a:\n" + "- " * 3000, f"2:99: {DEEP}"),
    "keys": ("? " * 3000, DEEP),
    "steps": ("".join(f"{' ' * i}a:\n" for i in range(1000)), f"51:51: {DEEP}"),
    "many values": ("a: [" + "1," * 20_000 + "]", "has more than 20,000 values"),
    "object": ("a: !!python/object/apply:os.system ['x']", "1:4: a: has an unknown tag"),
    "name": ("a: !!python/name:os.system", "has an unknown tag"),
    "own tag": ("a: !mine 1", "has an unknown tag: !mine"),
    "tagged mapping": ("!mine\na: 1", "1:1: has an unknown tag: !mine"),
    "set": ("a: !!set {b, c}", "has an unknown tag"),
    "unknown handle": ("a: !e!foo b", "1:4"),
    "two documents": ("a: 1\n---\nb: 2\n", "2:1"),
    "digits": ("a: " + "9" * 10_000, "1:4: a: is a number of more than 1,000 digits"),
    "hexadecimal digits": ("a: 0x" + "f" * 10_000, "1:4: a: is a number of more than 1,000 digits"),
    "octal digits": ("a: 0o" + "7" * 10_000, "1:4: a: is a number of more than 1,000 digits"),
    "no number": ("a: !!int x", "1:4: a: is not what YAML calls int: 'x'"),
    "no truth": ("a: !!bool maybe", "1:4: a: "),
    "no null": ("a: !!null something", "1:4: a: "),
    "empty": ("", "is empty"),
    "only a comment": ("# nothing\n", "is empty"),
    "list": ("- a\n", "1:1: is not a mapping of sections"),
    "word": ("hello\n", "1:1: is not a mapping of sections"),
    "unknown alias": ("a: *b", "1:4: no anchor (&) of this name"),
    "open quote": ("a: 'b\n", "1:4: the quote ' is opened here and never closed"),
    "open bracket": ("a: [1, 2\nb: 3", "1:4: '[' is opened here and never closed"),
    "colon": ("a: b: c", "1:5"),
    "control character": (b"a: \x07", "1:4: has the control character '\\x07'"),
    "null byte": (b"a: \0", "1:4: has the control character '\\x00'"),
    "picture": (bytes(range(256)), "is not UTF-8 text (byte 128)"),
    "latin-1": (b"a: 1\nb: \xe9\n", "is not UTF-8 text (byte 8)"),
    "latin-1 after a BOM": (b"\xef\xbb\xbfa: 1\nb: \xe9\n", "is not UTF-8 text (byte 11)"),
    "utf-16": ("a: 1".encode("utf-16"), "is not UTF-8 text (byte 0)"),
    "long": (b"a: " + b"x" * MAX_BYTES, "is larger than an experiment may be (1,048,576 bytes)"),
    "line break in a key": ('"a\\nb": 1\n"a\\nb": 2', "is given twice"),
    "line break in a number": ('a: !!int "1\\n2"', "is not what YAML calls int"),
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize(("content", "expected"), HARMFUL.values(), ids=HARMFUL.keys())
def test_a_file_that_is_no_experiment_is_refused_in_one_line(refusal, content, expected):
    message = refusal(content)
    assert message.startswith("e.yaml")
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize("path", ["", "a\0b", b"a", 3])
def test_what_is_no_path_is_told(path):
    with pytest.raises(seqlab.SeqlabError, match=r"^experiment: [^\n]+$") as caught:
        seqlab.read_experiment(path)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("path", [".", "missing.yaml", "x" * 5000])
def test_a_path_that_is_no_file_is_refused_in_one_line(path):
    with pytest.raises(seqlab.ExperimentError, match=r"^[^\n]*: cannot be read: [^\n]+$"):
        seqlab.read_experiment(path)


def test_a_file_of_just_the_limit_is_read(read):
    assert len(read("a: " + "x" * (MAX_BYTES - 3))["a"]) == MAX_BYTES - 3


def test_fifty_levels_are_read(read):
    assert read("a: " + "[" * 49 + "]" * 49)


def test_a_byte_order_mark_is_not_part_of_the_first_key(read):
    assert read(b"\xef\xbb\xbfa: 1") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "path", "position"),
    [
        ("cell:\n  name: rnn\n", ["cell", "name"], "2:9"),
        ("cell: {name: rnn, hidden_size: 3}", ["cell", "hidden_size"], "1:32"),
        ("# one\n\ncell:   rnn # two\n", ["cell"], "3:9"),
        ("a:\n- b\n- - c\n  - d\n", ["a", 1, 1], "4:5"),
        ("a: {词: 分开😀, b: 1}", ["a", "b"], "1:16"),
        ("a: &x 1\r\nb: 'two'\r\n", ["b"], "2:4"),
        ("a: |\n  text\n  more\nb: >-\n  x\n", ["b"], "4:4"),
        ("\ufeffa: 1", ["a"], "1:4"),
        ("a: &x [1, 2]\nb: *x\n", ["b", 1], "1:11"),
    ],
)
def test_a_value_knows_its_line_and_column(write, text, path, position):
    assert str(seqlab.read_experiment(write(text)).tree.at(path).origin) == f"e.yaml:{position}"


KEYS = st.text(max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
TRICKY = ["1e-3", "no", "null", "0x1f", "0o7", "~", "", "=", "<<", "- a", "a: b", " #", "1_000"]
TRICKY += ["\t", "\r\n", "a\n\nb ", "\x07", "\x00", "\x85", "\u2028", "\ufeff", "...", "12:30"]


@settings(deadline=None, max_examples=200)
@given(VALUES)
@example(dict.fromkeys(TRICKY, 1))
@example([*TRICKY, [TRICKY, dict(zip(TRICKY, TRICKY, strict=True))]])
@example([1e22, 5e-324, -0.0, math.inf, 10**40, True, 1, 1.0])
def test_what_is_written_as_yaml_reads_back_as_it_was(value):
    read_back = plain(load_yaml(dump_yaml({"a": value}), Origin("dumped")))
    assert repr(read_back) == repr({"a": value})


YAML_SIGNS = st.text("ab:-[]{}&*!#|>'\"%@,?~=< \n\t01.e\\\ufeff", max_size=80)


@settings(deadline=None, max_examples=300)
@given(st.binary() | YAML_SIGNS.map(str.encode) | st.text().map(str.encode))
@example(b"a: !!float .")
@example(b"? !!map\n: 1")
@example(b"\xef\xbb\xbf\xef\xbb\xbf[")
def test_any_bytes_are_read_or_refused_and_nothing_else(content):
    path = Path("any.yaml")
    path.write_bytes(content)
    with contextlib.suppress(seqlab.ExperimentError):
        seqlab.read_experiment(path)
