"""Several texts at once, piece by piece: each as it is generated otherwise."""

from __future__ import annotations

import pytest

import seqlab
from seqlab.errors import UsageError

PREFIXES = ["the", "do", "the", "and so on", "q"]
DECODERS = {
    "greedy": {},
    "sample": {"stop": ["o", "he l"]},
    "mirostat": {"num": 3},
    "beam": {"num": 2},
    "contrastive": {},
    "{name: speculative, tokens: 3}": {"num": 2},
}


@pytest.fixture
def run(trained_once, registry):
    return seqlab.open_run(trained_once, registry=registry)


def joined(pieces):
    texts = {}
    for index, piece in pieces:
        texts[index] = texts.get(index, "") + piece
    return [texts[index] for index in sorted(texts)]


@pytest.mark.parametrize("decoder", DECODERS)
def test_the_pieces_of_a_text_are_its_continuation(run, decoder):
    options = {"length": 30, "seed": 5, "overrides": [f"decoder={decoder}"]} | DECODERS[decoder]
    whole = [result.continuation for result in run.generate(PREFIXES, **options)]
    assert joined(run.stream(PREFIXES, **options)) == whole
    assert joined(run.stream(tuple(PREFIXES), **options)) == whole


def test_texts_come_side_by_side_and_each_ends_with_an_empty_piece(run):
    pieces = [*run.stream(["the", "do"], length=5, overrides=["decoder=sample"])]
    assert [index for index, piece in pieces if piece] == [1, 0] * 5  # the shorter one first
    assert [index for index, piece in pieces if not piece] == [1, 0]


def test_a_text_that_ends_at_once_ends_too(run):
    pytest.importorskip("llguidance")
    overrides = ["decoder={name: constrained, pattern: 'x?'}"]
    ended = [index for index, piece in run.stream(["the", "do"], overrides=overrides) if not piece]
    assert sorted(ended) == [0, 1]


def test_one_prefix_in_a_list_is_one_of_several_and_none_is_none(run):
    assert joined(run.stream(["the"], length=9)) == ["".join(run.stream("the", length=9))]
    assert [*run.stream([], length=9)] == []


@pytest.mark.parametrize(
    ("prefixes", "problem"), [(["the", ""], "the prefix is empty"), (["the", "分"], "'分'")]
)
def test_what_cannot_be_continued_is_said_before_the_first_piece(run, prefixes, problem):
    with pytest.raises(UsageError, match=problem):
        run.stream(prefixes)
