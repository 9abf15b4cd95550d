"""The tokenizer `bpe`."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqlab_plugins.tokenizers import bpe
from seqlab_plugins.tokenizers.bpe import BytePairs

from seqlab import CorpusError, Ids
from seqlab.data.tokens import decode
from seqlab.testing import check_tokenizer

library = pytest.importorskip("tokenizers")

relaxed = settings(deadline=None, max_examples=100)
places = st.integers(1, 700)
characters = st.text(st.characters(exclude_categories=["Cs"]))
TEXT = "the lazy dog and the other dog, they are lazy dogs\n 不分开 不分开 the end\n\n" * 9


@pytest.fixture(scope="module")
def tokenizer() -> BytePairs:
    return fitted(TEXT, vocabulary=280)


@pytest.fixture(scope="module")
def whole(tokenizer):
    """The same tokenizer in the library, which encodes a text of any length at once."""
    state = tokenizer.state_dict()
    ids = {token: number for number, token in enumerate(state["tokens"])}
    model = library.models.BPE(vocab=ids, merges=[tuple(pair) for pair in state["merges"]])
    encoder = library.Tokenizer(model)
    encoder.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return encoder


def fitted(*documents, **options) -> BytePairs:
    tokenizer = BytePairs(**options)
    tokenizer.fit(documents)
    return tokenizer


@relaxed
@given(characters)
def test_every_text_comes_back(tokenizer, text):
    assert decode(tokenizer, tokenizer.encode(text)) == text


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from(["the", " ", "\n", "\n\n", "\t", "\x1c", "\x85", "\r", "dog"])))
def test_a_text_is_encoded_in_blocks_as_it_would_be_whole(tokenizer, whole, parts):
    text = " the" * (1 << 13) + "".join(parts)  # a block is 2¹⁵ characters
    assert tokenizer.encode(text)[-40:].tolist() == whole.encode(text).ids[-40:]


def test_blocks_are_really_cut():
    text = "a line of a text\n" * 10_000
    assert len(list(bpe._blocks(text))) == 6
    assert "".join(bpe._blocks(text)) == text


def test_frequent_pairs_become_tokens(tokenizer):
    assert tokenizer.size == 280
    spelt = [tokenizer.token_bytes(token) for token in range(280)]
    assert b" the" in spelt
    assert len(tokenizer.encode(" the lazy dog")) == 3


def test_there_may_be_fewer_tokens_than_asked_for():
    assert fitted("ab" * 3, vocabulary=1000, min_frequency=100).size == 256


def test_an_untrained_one_has_the_bytes():
    assert BytePairs().size == 256
    assert fitted().size == 256


def test_the_bytes_are_spelt_as_the_library_spells_them():
    assert set(bpe._BYTE_OF) == set(library.pre_tokenizers.ByteLevel.alphabet())
    assert sorted(bpe._BYTE_OF.values()) == list(range(256))


def test_what_looks_like_a_special_token_is_text(tokenizer):
    assert decode(tokenizer, tokenizer.encode("<|endoftext|>")) == "<|endoftext|>"


def test_documents_may_end_with_a_token_of_its_own():
    tokenizer = fitted(TEXT, vocabulary=280, end_of_document=True)
    assert (tokenizer.size, tokenizer.end_of_document) == (281, 280)
    assert decode(tokenizer, [*tokenizer.encode("a"), 280, *tokenizer.encode("b")]) == "ab"


def test_the_same_text_gives_the_same_tokens_in_every_process():
    code = (
        "from seqlab_plugins.tokenizers.bpe import BytePairs; import json, hashlib\n"
        "t = BytePairs(vocabulary=400); t.fit(['abc abd bcd aab cab\\n' * 5, 'zx zy xz yz' * 7])\n"
        "print(json.dumps(t.state_dict()))"
    )
    printed = {
        subprocess.check_output([sys.executable, "-c", code], env=os.environ | environment)
        for environment in (
            {"PYTHONHASHSEED": "1", "TOKENIZERS_PARALLELISM": "false"},
            {"PYTHONHASHSEED": "2", "TOKENIZERS_PARALLELISM": "true"},
        )
    }
    assert len(printed) == 1


def test_half_a_surrogate_pair_is_refused(tokenizer):
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        tokenizer.encode("a\ud800")
    with pytest.raises(CorpusError, match=r"document 2: .* half of a surrogate pair"):
        fitted("abc", "a\ud800")


def test_text_is_needed():
    with pytest.raises(CorpusError, match="use `tokenizer: ids`"):
        fitted(Ids(np.array([0, 1])))


def test_a_missing_package_is_told_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ValueError, match=r"pip install 'seqlab\[bpe\]'"):
        BytePairs()


@pytest.mark.parametrize("options", [{}, {"vocabulary": 280, "end_of_document": True}])
def test_it_keeps_every_promise(options):
    check_tokenizer(BytePairs, **options)


@relaxed
@given(st.lists(st.tuples(st.sampled_from(["the ", "dog", " ", "\n", "é", "分", "lazy"]), places)))
def test_text_without_a_long_word_is_cut_alike_by_both_ways(tokenizer, parts):
    text = "".join(part * times for part, times in parts)
    longest = tokenizer._encoder.encode_batch_fast([text])[0].ids
    assert tokenizer.encode(text).tolist() == longest
