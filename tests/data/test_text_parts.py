"""Parts of a stream of documents, cut by character."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab import CorpusError, Ids
from seqlab.documents import between, first_characters, length

relaxed = settings(deadline=None, max_examples=200)
pieces = st.lists(st.text(max_size=6), max_size=4)
texts = st.lists(st.text(max_size=12) | pieces, max_size=5)
places = st.integers(0, 40)


def text(document) -> str:
    return document if isinstance(document, str) else "".join(document)


def read(documents) -> list[str]:
    return [text(document) for document in documents]


@relaxed
@given(texts, places, places)
def test_a_part_is_the_slice_of_all_documents_joined(documents, start, stop):
    whole = "".join(map(text, documents))
    assert "".join(read(between(documents, start, max(start, stop)))) == whole[start:stop]


@relaxed
@given(texts, places)
def test_two_parts_make_the_whole_again(documents, cut):
    both = (*read(between(documents, 0, cut)), *read(between(documents, cut, 99)))
    assert "".join(both) == "".join(map(text, documents))


@relaxed
@given(texts, places, places)
def test_documents_stay_apart_and_none_but_the_empty_are_empty(documents, start, stop):
    whole, expected = "", []
    for document in documents:
        begin, whole = len(whole), whole + text(document)
        part = whole[max(start, begin) : stop]
        if part or start <= begin == len(whole) < stop:
            expected.append(part)
    assert read(between(documents, start, stop)) == expected


@relaxed
@given(texts, places)
def test_each_empty_document_is_in_one_of_two_parts(documents, cut):
    both = (*read(between(documents, 0, cut)), *read(between(documents, cut, 99)))
    assert both.count("") == read(documents).count("")


@relaxed
@given(texts)
def test_a_limit_beyond_the_end_leaves_every_document(documents):
    assert read(first_characters(documents, 99)) == read(documents)


@relaxed
@given(texts, places, places)
def test_what_a_reader_leaves_of_a_document_shifts_nothing(documents, start, stop):
    expected = read(between(documents, start, stop))
    begun = [next(iter(document), "") for document in between(documents, start, stop)]
    assert len(begun) == len(expected)
    assert all(whole.startswith(first) for whole, first in zip(expected, begun, strict=True))


@relaxed
@given(texts)
def test_the_length_is_the_number_of_characters(documents):
    assert length(documents) == len("".join(map(text, documents)))


@relaxed
@given(texts, places)
def test_the_first_characters_are_a_prefix_of_that_length(documents, limit):
    whole = "".join(map(text, documents))
    assert "".join(read(first_characters(documents, limit))) == whole[:limit]


def test_no_limit_is_everything():
    assert read(first_characters(["ab", ["c", "d"]], None)) == ["ab", "cd"]


def test_nothing_behind_the_end_is_read():
    def endless():
        while True:
            yield "abc"

    assert read(between([endless()], 2, 7)) == ["cabca"]


@relaxed
@given(st.lists(st.integers(0, 6), max_size=5), places, places)
def test_token_ids_are_cut_as_text_is_with_their_weights(sizes, start, stop):
    documents = [Ids(np.arange(n) + 10 * i, np.arange(n) / 8) for i, n in enumerate(sizes)]
    parts = list(between(documents, start, max(start, stop)))
    for field in ("ids", "weights"):
        joined = [x for d in documents for x in getattr(d, field)]
        assert [x for d in parts for x in getattr(d, field)] == joined[start:stop]


def test_token_ids_have_no_characters_to_limit():
    with pytest.raises(CorpusError, match="max_characters: this corpus gives token ids"):
        list(first_characters([Ids(np.arange(3))], 2))


def test_empty_documents_of_token_ids_are_kept():
    documents = [Ids(np.arange(n)) for n in (0, 2, 0, 3, 0)]
    parts = [[len(part.ids) for part in between(documents, *cut)] for cut in ((0, 2), (2, 9))]
    assert parts == [[0, 2], [0, 3, 0]]
