"""Text to token ids and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqlab_plugins.tokenizers.basic import Characters, TokenIds

from seqlab import CorpusError, ExperimentError, Ids, read_experiment
from seqlab.data.tokens import decode
from seqlab.registry import resolve
from seqlab.training.metrics import TokenSizes

relaxed = settings(deadline=None, max_examples=100)


def fitted(*documents, **options) -> Characters:
    tokenizer = Characters(**options)
    tokenizer.fit(documents)
    return tokenizer


def ids_below(size: int) -> TokenIds:
    tokenizer = TokenIds()
    tokenizer.fit([Ids(np.arange(size))])
    return tokenizer


@relaxed
@given(st.text())
def test_every_text_comes_back_from_its_ids(text):
    tokenizer = fitted(text)
    assert decode(tokenizer, tokenizer.encode(text)) == text


@relaxed
@given(st.text(), st.text())
def test_a_text_reads_the_same_whole_and_in_parts(first, second):
    tokenizer = fitted([first, second])
    parts = [tokenizer.encode(first), tokenizer.encode(second)]
    assert np.concatenate(parts).tolist() == tokenizer.encode(first + second).tolist()


@relaxed
@given(st.text(), st.text())
def test_each_character_gets_an_id_or_is_refused(known, text):
    tokenizer = fitted(known)
    if set(text) <= set(known):
        assert len(tokenizer.encode(text)) == len(text)
    else:
        with pytest.raises(ValueError, match="is not in the vocabulary"):
            tokenizer.encode(text)


long_texts = st.lists(st.text(), min_size=1).map(lambda parts: "".join(parts) * 3_000)


@settings(deadline=None, max_examples=20)
@given(long_texts, st.text())
def test_long_texts_have_the_ids_of_the_plain_way(long, other):
    tokenizer = fitted(other, [long, other])
    ids = {character: token for token, character in enumerate(dict.fromkeys(other + long))}
    assert tokenizer.size == len(ids)
    assert tokenizer.encode(long).tolist() == [ids[character] for character in long]


def test_ids_are_numbered_in_the_order_of_first_appearance():
    assert fitted("不分开", "开了").encode("不分开了").tolist() == [0, 1, 2, 3]


def test_a_character_without_an_id_is_named_with_its_place():
    message = r"character '猫' \(U\+732B\) at position 2 is not in the vocabulary of 2 characters"
    with pytest.raises(ValueError, match=message):
        fitted("分开").encode("分开猫")


@pytest.mark.parametrize("character", ["\0", "\U0010ffff", "😀"])
def test_extreme_code_points_are_refused_like_any_other(character):
    with pytest.raises(ValueError, match="at position 0 "):
        fitted("分开").encode(character)


def test_unknown_characters_may_share_one_token():
    tokenizer = fitted("ab", unknown="token")
    assert tokenizer.encode("a猫b\U0010ffff").tolist() == [0, 2, 1, 2]
    assert decode(tokenizer, [0, 2]) == "a\ufffd"
    assert tokenizer.size == 3


def test_nothing_is_known_before_training():
    with pytest.raises(ValueError, match="position 0"):
        Characters().encode("a")


@pytest.mark.parametrize("documents", [["ab"], ["a|b"]])
def test_end_of_document_is_one_token_whether_or_not_the_text_has_it(documents):
    tokenizer = fitted(*documents, end_of_document="|")
    assert tokenizer.size == 3
    assert decode(tokenizer, [tokenizer.end_of_document]) == "|"


def test_there_is_no_end_of_document_unless_asked_for_and_none_before_training():
    assert fitted("ab").end_of_document is None
    assert Characters(end_of_document="|").end_of_document is None


def test_end_of_document_of_two_characters_is_refused_where_it_was_written(registry, tiny):
    section = {"name": "characters", "end_of_document": "||"}
    resolved = resolve(read_experiment(tiny | {"tokenizer": section}), registry)
    with pytest.raises(ExperimentError, match=r"should be one character, not '\|\|'"):
        resolved.tokenizer.build()


@pytest.mark.parametrize("unknown", ["token", "error"])
def test_every_character_counts_as_one_and_no_one_knows_of_an_unknown_one(unknown):
    table = TokenSizes.of(fitted("a分\ufffd", unknown=unknown), torch.device("cpu")).table
    assert table[0, :3].tolist() == [1, 1, 1]
    assert table[0, 3:].isnan().all()
    assert table[2].tolist() == [0, 0, 0, 1][: len(table[2])]


def test_ids_may_be_more_than_training_shows():
    tokenizer = TokenIds(size=10)
    tokenizer.fit([Ids(np.array([0, 3]))])
    assert tokenizer.size == 10
    with pytest.raises(CorpusError, match=r"token id 10, but ids are below `tokenizer.size`"):
        tokenizer.fit([Ids(np.array([0, 10]))])


def test_characters_need_text():
    with pytest.raises(CorpusError, match="use `tokenizer: ids`"):
        fitted(Ids(np.array([0, 1])))


def test_ids_read_as_numbers_and_come_back():
    tokenizer = ids_below(12)
    assert decode(tokenizer, [3, 11, 0]) == "3 11 0 "
    assert tokenizer.encode("3 11 0 ").tolist() == [3, 11, 0]


def test_the_size_is_one_more_than_the_largest_id():
    assert ids_below(12).size == 12


@pytest.mark.parametrize("text", ["12", "1 99", "9" * 30])
def test_an_id_that_training_did_not_show_is_refused(text):
    with pytest.raises(ValueError, match=f"{text.split()[-1]} is not below 12"):
        ids_below(12).encode(text)


@pytest.mark.parametrize("text", ["a", "1 -2", "1.5", "²"])
def test_what_is_no_id_is_refused(text):
    with pytest.raises(ValueError, match="is not a token id, such as 7"):
        ids_below(12).encode(text)


def test_ids_need_a_corpus_of_ids():
    with pytest.raises(CorpusError, match="this corpus gives text"):
        TokenIds().fit(["abc"])


def test_the_size_comes_back_from_a_checkpoint():
    other = TokenIds()
    other.load_state_dict(ids_below(12).state_dict())
    assert other.size == 12


def test_ids_that_no_vocabulary_holds_are_refused():
    with pytest.raises(CorpusError, match="has the token id 3,000,000,000; ids are below"):
        TokenIds().fit([Ids(np.array([3, 3_000_000_000]))])
