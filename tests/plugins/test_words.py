"""The tokenizers `words` and `bytes`."""

from __future__ import annotations

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from seqlab_plugins.tokenizers.basic import Bytes
from seqlab_plugins.tokenizers.words import Words, segment

from seqlab import CorpusError, Ids
from seqlab.data.tokens import decode
from seqlab.testing import check_tokenizer

relaxed = settings(deadline=None, max_examples=100)
characters = st.text(st.characters(exclude_categories=["Cs"]))
half_pair = "a\ud800"


def fitted(*documents, kind=Words, **options):
    tokenizer = kind(**options)
    tokenizer.fit(documents)
    return tokenizer


runs = st.text(st.sampled_from("aé1' .\u0301\u200d\u00ad\U0001f1e6\U0001f1ff👩分"), min_size=1)


@relaxed
@given(st.lists(st.tuples(runs, st.integers(1, 12))))
def test_long_runs_are_cut_as_the_plain_pattern_cuts_them(parts):
    text = "".join(run * times for run, times in parts)
    assert segment(text) == regex.findall(r"(?ws).+?\b", text)


def test_words_spaces_and_marks_are_tokens():
    text = "The dog can't, 3.14 U.S.A.  naïve\n不分开"
    assert segment(text) == [
        *("The", " ", "dog", " ", "can't", ",", " ", "3.14", " ", "U.S.A", ".", "  ", "naïve"),
        *("\n", "不", "分", "开"),
    ]


@relaxed
@given(st.text())
def test_segments_joined_are_the_text(text):
    assert "".join(segment(text)) == text
    assert "" not in segment(text)


@relaxed
@given(characters)
def test_every_text_comes_back_from_its_words(text):
    tokenizer = fitted(text)
    assert decode(tokenizer, tokenizer.encode(text)) == text


def test_ids_are_numbered_in_the_order_of_first_appearance():
    assert fitted("b a b", "c a").encode("a b c").tolist() == [2, 1, 0, 1, 3]


def test_a_word_without_an_id_is_named_with_its_place():
    message = "word 'cat' at position 4 is not in the vocabulary of 3 words"
    with pytest.raises(ValueError, match=message):
        fitted("the dog").encode("the cat")


def test_unknown_words_may_share_one_token():
    tokenizer = fitted("the dog", unknown="token")
    assert tokenizer.encode("the cat").tolist() == [0, 1, 3]
    assert decode(tokenizer, [0, 1, 3]) == "the \ufffd"
    assert tokenizer.size == 4


def test_rare_words_are_unknown():
    tokenizer = fitted("a a b", "b c", min_count=2, unknown="token")
    assert tokenizer.encode("abc a b c").tolist() == [3, 1, 0, 1, 2, 1, 3]


def test_rare_words_need_a_token_for_the_unknown():
    with pytest.raises(ValueError, match="add `unknown: token`"):
        Words(min_count=2)


@pytest.mark.parametrize("unknown", ["error", "token"])
def test_documents_may_end_with_a_token_of_its_own(unknown):
    tokenizer = fitted("a b", unknown=unknown, end_of_document=True)
    assert tokenizer.end_of_document == tokenizer.size - 1
    assert decode(tokenizer, [0, tokenizer.end_of_document, 2]) == "ab"
    assert tokenizer.end_of_document not in tokenizer.encode("a b").tolist()


@relaxed
@given(characters)
def test_every_text_is_its_bytes(text):
    tokenizer = Bytes()
    assert bytes(tokenizer.encode(text)) == text.encode()
    assert decode(tokenizer, tokenizer.encode(text)) == text


def test_the_257th_byte_ends_documents_and_says_nothing():
    tokenizer = Bytes(end_of_document=True)
    assert (tokenizer.size, tokenizer.end_of_document) == (257, 256)
    assert decode(tokenizer, [97, 256, 98]) == "ab"
    assert (Bytes().size, Bytes().end_of_document) == (256, None)


def test_half_a_surrogate_pair_has_no_bytes():
    with pytest.raises(ValueError, match=r"U\+D800 at position 1 is half of a surrogate pair"):
        Bytes().encode(half_pair)


@pytest.mark.parametrize("kind", [Words, Bytes])
def test_text_is_needed(kind):
    with pytest.raises(CorpusError, match="use `tokenizer: ids`"):
        fitted(Ids(np.array([0, 1])), kind=kind)


WORDS = [
    {},
    {"unknown": "token"},
    {"unknown": "token", "end_of_document": True},
    {"end_of_document": True},
]


@pytest.mark.parametrize("options", WORDS)
def test_words_keep_every_promise(options):
    check_tokenizer(Words, **options)


@pytest.mark.parametrize("end_of_document", [False, True])
def test_bytes_keep_every_promise(end_of_document):
    check_tokenizer(Bytes, end_of_document=end_of_document)
