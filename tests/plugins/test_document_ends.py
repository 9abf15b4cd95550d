"""Where a file is cut into documents."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqlab_plugins.corpora.document_ends import split_documents
from seqlab_plugins.corpora.text import Folder, Text

import seqlab

TEXTS = st.text(alphabet="a\n\r \t<|>", max_size=40)


def cut(text, sizes, ends):
    """The documents of a text that comes in pieces of some sizes."""
    pieces, at = [], 0
    for size in [*sizes, len(text)]:
        pieces.append(text[at : at + size])
        at += size
    return ["".join(document) for document in split_documents(iter(pieces), ends)]


@given(TEXTS, st.lists(st.integers(0, 5)), st.sampled_from(["<|>", "\n", "aa", "<<|"]))
def test_documents_are_what_a_separator_leaves_wherever_pieces_end(text, sizes, separator):
    assert cut(text, sizes, separator) == [part for part in text.split(separator) if part]


@given(TEXTS, st.lists(st.integers(0, 5)))
def test_lines_are_documents_wherever_pieces_end(text, sizes):
    assert cut(text, sizes, "line") == [part for part in re.split("\r\n|\r|\n", text) if part]


@given(TEXTS, st.lists(st.integers(0, 5)))
def test_blank_lines_end_documents_wherever_pieces_end(text, sizes):
    parts = re.split(r"(?>\r\n|\r|\n)(?:[ \t]*(?>\r\n|\r|\n))+", text)
    assert cut(text, sizes, "blank_line") == [part for part in parts if part]


@given(TEXTS, st.lists(st.integers(0, 5)))
def test_a_file_is_one_document(text, sizes):
    assert cut(text, sizes, "file") == [text]


@pytest.mark.parametrize(
    ("ends", "newlines", "expected"),
    [
        ("line", "lf", ["a", "b", "c"]),
        ("blank_line", "lf", ["a\nb", "c"]),
        ("blank_line", "space", ["a b", "c"]),
        ("blank_line", "keep", ["a\r\nb", "c"]),
        ("b", "lf", ["a\n", "\n\nc"]),
    ],
)
@pytest.mark.parametrize("corpus", [Text, Folder])
def test_a_corpus_cuts_its_files(corpus, ends, newlines, expected):
    Path("texts").mkdir()
    Path("texts/a.txt").write_bytes(b"a\r\nb\r\n\r\nc")
    path = Path("texts/*.txt") if corpus is Text else Path("texts")
    documents = corpus(path=path, documents=ends, newlines=newlines).documents("train")
    assert ["".join(document) for document in documents] == expected


def test_a_long_document_is_handed_on_in_pieces():
    pieces = (("x" * 1000) for _ in range(100))
    (document,) = (list(document) for document in split_documents(pieces, "line"))
    assert max(map(len, document)) == 1000


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("lines", "line"),
        ("Line", "line"),
        ("newline", "line"),
        ("files", "file"),
        ("blank-line", "blank_line"),
        ("blank lines", "blank_line"),
        ("paragraphs", "blank_line"),
    ],
)
def test_a_misspelt_word_for_documents_is_no_separator(tiny, written, meant):
    with pytest.raises(seqlab.ExperimentError) as caught:
        seqlab.run(tiny, overrides={"corpus.documents": written})
    expected = f"file, line, blank_line or a separator (did you mean '{meant}'?)"
    assert f"corpus.documents: should be {expected}" in str(caught.value)


@pytest.mark.parametrize("separator", ["\n\n", "\n", " ", "---", "<|endoftext|>", "END", "\f", "%"])
def test_a_separator_that_is_no_word_for_documents_is_accepted(separator):
    Path("a.txt").write_text(f"one{separator}two", "utf-8")
    documents = Text(path=Path("a.txt"), documents=separator).documents("train")
    assert ["".join(document) for document in documents] == ["one", "two"]


def test_a_separator_that_is_nowhere_is_warned_of_once(tiny, caplog):
    corpus = tiny["corpus"] | {"documents": "<|end|>"}
    seqlab.run(tiny | {"corpus": corpus, "train": {"steps": 1}})
    warning = "corpus.documents: '<|end|>' is nowhere in the files of split 'train', so each file"
    assert [warning in record.getMessage() for record in caplog.records].count(True) == 1


@pytest.mark.parametrize("documents", ["line", "blank_line", "file"])
def test_a_file_of_one_line_needs_no_end(documents, caplog):
    Path("a.txt").write_text("one", "utf-8")
    assert len(list(Text(path=Path("a.txt"), documents=documents).documents("train"))) == 1
    assert not caplog.records
