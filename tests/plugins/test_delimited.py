"""The corpus `csv`, and arrays of JSON: records in other forms."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqlab_plugins.corpora.delimited import Csv
from seqlab_plugins.corpora.json_arrays import NotAnArray, elements
from seqlab_plugins.corpora.record_fields import Answer
from seqlab_plugins.corpora.records import Jsonl

from seqlab import CorpusError
from seqlab.cli.main import call
from seqlab.testing import check_corpus

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def table(rows, name="a.csv", **dialect):
    text = io.StringIO()
    csv.writer(text, **dialect).writerows(rows)
    Path(name).write_bytes(text.getvalue().encode())
    return Path(name)


def texts(corpus, split="train"):
    return list(corpus.documents(split))


def refusal(corpus):
    with pytest.raises(CorpusError) as caught:
        corpus.fingerprint()
    return str(caught.value)


@given(st.lists(TEXTS, min_size=1), st.sampled_from(",;|\t"), st.sampled_from(["\n", "\r\n"]))
def test_every_text_comes_back_from_a_table(written, delimiter, end):
    rows = [["n", "text"], *([i, text] for i, text in enumerate(written))]
    path = table(rows, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    assert texts(Csv(path=path, delimiter=delimiter)) == written


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["我们, 一起", "two\nlines"]),
        ({"text": 1}, ["1", "2"]),
        ({"text": "id"}, ["1", "2"]),
        ({"header": False, "text": 2}, ["text", "我们, 一起", "two\nlines"]),
    ],
)
def test_a_column_is_taken_by_its_name_or_its_number(options, expected):
    path = table([["id", "text"], [1, "我们, 一起"], [], [2, "two\nlines"]])
    assert texts(Csv(path=path, **options)) == expected


def test_a_file_with_tabs_is_known_by_its_ending():
    path = table([["id", "text"], [1, "a, b"]], name="a.tsv", delimiter="\t")
    assert texts(Csv(path=path)) == ["a, b"]
    assert texts(Csv(path=path, delimiter="tab")) == ["a, b"]


def test_a_column_names_the_splits_and_two_columns_are_prompt_and_completion():
    rows = [["p", "c", "part"], ["q?", "yes", "train"], ["r?", "no", "valid"]]
    corpus = Csv(path=table(rows), text=Answer(prompt="p", completion="c"), split="part")
    assert corpus.splits == ("train", "valid")
    assert [list(document) for document in corpus.documents("valid")] == [["r?", "no"]]


def test_the_kit_finds_nothing():
    path = table([["text"], *[[f"row {i} of a table"] for i in range(50)]])
    check_corpus(Csv, path=path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('text\n"abc\n', "a.csv:2: is not CSV (unexpected end of data)"),
        ('text\n"a"b\n', "a.csv:2: is not CSV"),
        ("text,x\nq\n", "a.csv:2: has 1 fields, and the first line has 2"),
        ("body,x\nq,r\n", "a.csv:2: has no field 'text' (its fields: body, x)"),
        ("text,text\nq,r\n", "a.csv: has several columns 'text'; take one by its number"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_line(content, message):
    Path("a.csv").write_text(content)
    assert message in refusal(Csv(path=Path("a.csv")))


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n"])
def test_a_delimiter_is_one_character(delimiter, tiny, capsys):
    table([["text"], ["abc"]])
    corpus = {"name": "csv", "path": "a.csv", "delimiter": delimiter}
    Path("e.json").write_text(json.dumps(tiny | {"corpus": corpus}))
    assert call(["validate", "e.json"]) == 2
    assert "corpus.delimiter" in capsys.readouterr().err


# -- arrays of JSON


@given(st.lists(st.recursive(TEXTS | st.integers(), st.lists)), st.lists(st.integers(1, 7)))
def test_the_elements_of_an_array_come_back_wherever_pieces_end(values, sizes):
    text, pieces = json.dumps(values, indent=1), []
    for size in sizes:
        pieces.append(text[:size])
        text = text[size:]
    assert list(elements(iter([*pieces, text]), 10_000)) == values


def test_an_array_is_read_like_lines():
    rows = [{"text": "a"}, {"text": "我们\n"}]
    Path("a.json").write_text(json.dumps(rows, indent=2))
    Path("a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    array, lines = Jsonl(path=Path("a.json")), Jsonl(path=Path("a.jsonl"))
    assert texts(array) == texts(lines) == ["a", "我们\n"]
    assert array.fingerprint() == lines.fingerprint()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"text": "a"}, {"text": ]', "a.json: element 2: is not JSON"),
        ('[{"text": "a"}', "a.json: element 1: is not JSON (a ']' is missing)"),
        ('[{"text": "a"}] x', "a.json: element 1: is not JSON (something follows"),
        ('[{"text": "a"}, 7]', "a.json: element 2: should be an object"),
        ('[{"text": "a"}, {"body": "a"}]', "a.json: element 2: has no field 'text'"),
    ],
)
def test_what_is_wrong_with_an_array_is_said_with_its_element(content, message):
    Path("a.json").write_text(content)
    assert message in refusal(Jsonl(path=Path("a.json")))


def test_an_element_that_is_too_long_is_not_read_to_its_end():
    pieces = iter(['["', *["x" * 100] * 100, '"]'])
    with pytest.raises(NotAnArray, match="more than 500 characters"):
        list(elements(pieces, 500))
    assert len(list(pieces)) > 90
