"""Tasks of formal languages and of recall: what they generate, and that each is what it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqlab_plugins.corpora.formal_languages import Dyck, EqualCounts, RuleGrammar
from seqlab_plugins.corpora.recall_tasks import (
    Compression,
    InductionHeads,
    Memorisation,
    NeedleRetrieval,
    SelectiveCopying,
)

from seqlab.testing import check_corpus

TASKS = (
    Dyck,
    EqualCounts,
    RuleGrammar,
    SelectiveCopying,
    InductionHeads,
    NeedleRetrieval,
    Compression,
    Memorisation,
)
SIZES = {"symbols": 12, "longer": [2, 16], "train": 8, "valid": 2, "test": 2}
every_task = pytest.mark.parametrize("task", TASKS)
seeds = st.integers(0, 2**63 - 1)
relaxed = settings(deadline=None, max_examples=25)


def sequences(corpus):
    """Ids and weights of every sequence of every split."""
    return [one for split in corpus.splits for one in corpus.documents(split)]


def asked(corpus):
    """Symbols and answers of every sequence."""
    for ids, weights in sequences(corpus):
        assert list(weights) == [0, 1] * (len(ids) // 2)
        yield ids[::2].tolist(), ids[1::2].tolist()


@every_task
def test_it_keeps_every_promise_of_a_corpus(task):
    check_corpus(task, symbols=12, longer=[2], train=5, valid=3, test=2)


@every_task
def test_a_sequence_depends_on_its_seed_and_number_alone(task):
    few, many = task(**SIZES), task(**SIZES | {"train": 20})
    for (ids, weights), (same, alike) in zip(
        few.documents("train"), many.documents("train"), strict=False
    ):
        assert np.array_equal(ids, same)
        assert np.array_equal(weights, alike)
    others = task(**SIZES, seed=1).documents("train")
    assert any((a[0] != b[0]).any() for a, b in zip(few.documents("train"), others, strict=True))


@every_task
def test_every_split_has_one_length_and_something_to_tell(task):
    corpus = task(**SIZES)
    assert corpus.splits == ("train", "valid", "test", "length_24", "length_192")
    lengths = [{len(ids) for ids, _ in corpus.documents(split)} for split in corpus.splits]
    assert all(len(length) == 1 for length in lengths)
    assert lengths[0] < lengths[0] | lengths[3]
    assert all(weights[0] == 0 and weights.any() for _, weights in sequences(corpus))


@given(seed=seeds, kinds=st.integers(1, 4), depth=st.integers(1, 6))
@relaxed
def test_brackets_are_balanced_and_no_deeper_than_asked_for(seed, kinds, depth):
    for brackets, answers in asked(Dyck(**SIZES, seed=seed, kinds=kinds, depth=depth)):
        unclosed = []
        for bracket, answer in zip(brackets, answers, strict=True):
            if bracket < kinds:
                unclosed.append(bracket)
            else:
                assert unclosed.pop() == bracket - kinds
            assert len(unclosed) <= depth
            assert answer - 2 * kinds == (unclosed[-1] if unclosed else kinds)
        assert not unclosed


@given(seed=seeds, symbols=st.integers(3, 20))
@relaxed
def test_there_are_as_many_a_as_b_as_c(seed, symbols):
    for ids, weights in sequences(EqualCounts(**SIZES | {"symbols": symbols}, seed=seed)):
        n = int((ids == 0).sum())
        assert list(ids[: 3 * n + 1]) == [0] * n + [1] * n + [2] * n + [3]
        assert (ids[3 * n + 1 :] == 4).all()
        assert not weights[: n + 1].any()
        assert not weights[3 * n + 1 :].any()
        again = weights[1:][ids[1:] == ids[:-1]].sum()
        assert again < weights.sum() / 2


@given(seed=seeds)
@relaxed
def test_a_symbol_is_of_the_sentence_if_the_rules_let_it_follow_the_last_that_was(seed):
    corpus = RuleGrammar(**SIZES, seed=seed, alphabet=6, choices=2)
    for symbols, answers in asked(corpus):
        last = symbols[0]
        assert answers[0] == 7
        for symbol, answer in zip(symbols[1:], answers[1:], strict=True):
            allowed = symbol in corpus.after[last, :2]
            assert answer == 6 + allowed
            last = symbol if allowed else last


@given(seed=seeds)
@relaxed
def test_a_selective_copy_is_what_was_no_noise_in_order(seed):
    for ids, weights in sequences(SelectiveCopying(**SIZES, copied=4, alphabet=5, seed=seed)):
        assert ids[-5] == 6
        assert list(ids[-4:]) == [symbol for symbol in ids[:-5] if symbol < 5]
        assert list(weights) == [0] * (len(ids) - 4) + [1] * 4


@given(seed=seeds, symbols=st.integers(2, 30))
@relaxed
def test_the_induced_symbol_is_the_one_after_the_special_one(seed, symbols):
    for ids, weights in sequences(InductionHeads(**SIZES | {"symbols": symbols}, seed=seed)):
        assert list(np.flatnonzero(ids == 16)) == [list(ids).index(16), len(ids) - 2]
        assert ids[-1] == ids[list(ids).index(16) + 1]
        assert list(np.flatnonzero(weights)) == [len(ids) - 1]


@given(seed=seeds, needles=st.integers(1, 6))
@relaxed
def test_the_value_asked_for_is_the_one_behind_its_key(seed, needles):
    corpus = NeedleRetrieval(**SIZES, needles=needles, words=5, keys=6, values=7, seed=seed)
    for ids, weights in sequences(corpus):
        keys = [place for place, token in enumerate(ids[:-2]) if 5 <= token < 11]
        assert len({int(ids[place]) for place in keys}) == len(keys) == needles
        pairs = {int(ids[place]): int(ids[place + 1]) for place in keys}
        assert pairs[int(ids[-2])] == ids[-1] >= 11
        assert list(np.flatnonzero(weights)) == [len(ids) - 1]


def test_a_compressed_string_is_told_whole():
    for ids, weights in sequences(Compression(**SIZES)):
        half = len(ids) // 2
        assert ids[half] == 16
        assert np.array_equal(ids[:half], ids[half + 1 :])
        assert list(weights) == [0] * (half + 1) + [1] * half


def test_a_dictionary_is_the_same_in_every_split():
    corpus = Memorisation(**SIZES, keys=9, values=5)
    for keys, values in asked(corpus):
        assert values == [9 + int(corpus.dictionary[key]) for key in keys]


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        (Dyck, {"symbols": 7}, "should be even"),
        (RuleGrammar, {"alphabet": 4, "choices": 4}, "leave none to break rules"),
        (SelectiveCopying, {"copied": 9, "symbols": 8}, "have no room among 8"),
        (NeedleRetrieval, {"needles": 5, "symbols": 8}, "need as many keys, and 10 symbols"),
    ],
)
def test_what_has_no_room_is_said_in_a_line(task, options, message):
    with pytest.raises(ValueError, match=message):
        task(**options)
