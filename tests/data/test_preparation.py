"""From a corpus and a tokenizer to token ids, as a run does it."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqlab
from seqlab import CorpusError, CorpusUnavailable, read_experiment
from seqlab.data.preparation import prepare, vocabulary_hash
from seqlab.errors import PluginError
from seqlab.registry import resolve

COUNTING = '''
import numpy as np

from seqlab import CorpusUnavailable, Ids, hookimpl


class Counting:
    """Numbers that count up, in documents; the first token of each counts for nothing."""

    splits = ("train",)

    def __init__(self, *, documents: int = 20, length: int = 12) -> None:
        self._count, self._length = documents, length

    def documents(self, split):
        for first in range(self._count):
            weights = np.ones(self._length, dtype=np.float32)
            weights[0] = 0
            yield Ids((first + np.arange(self._length)) % 7, weights)

    def fingerprint(self) -> str:
        return "counting"


class GoneFrom(CorpusUnavailable):
    """As a plugin may have: made from more than a text."""

    def __init__(self, url: str, code: int) -> None:
        super().__init__(f"nowhere to be had, {url} says {code}")


class Nowhere(Counting):
    def fingerprint(self) -> str:
        raise GoneFrom("example.org", 410)


class Wrong(Counting):
    """One text, then what a beginner may take for a document of token ids."""

    def __init__(self, *, kind: str) -> None:
        wrong = {"ndarray": np.arange(3), "bytes": b"abc", "int": 7, "list": ["a", b"b"]}
        self._wrong = wrong[kind]

    def documents(self, split):
        yield from ("abc", self._wrong)


class Untrained(Counting):
    splits = ("valid",)


@hookimpl
def seqlab_register_corpora():
    return {"counting": Counting, "nowhere": Nowhere, "wrong": Wrong, "untrained": Untrained}
'''


@pytest.fixture
def dropped_in():
    """What is installed, and a corpus of token ids that a user dropped in."""
    Path("plugins").mkdir()
    Path("plugins/counting.py").write_text(COUNTING, "utf-8")
    return seqlab.load_plugins()


@pytest.fixture
def prepared(tiny, dropped_in):
    def prepared(**sections):
        return prepare(resolve(read_experiment(tiny | sections), dropped_in))

    return prepared


def test_the_tokenizer_sees_no_more_than_max_characters(prepared, text_file):
    corpus = {"name": "text", "path": str(text_file), "max_characters": 7}
    result = prepared(corpus=corpus)
    assert (len(result.tokens), result.tokenizer.size) == (7, len(set("the qui")))


def test_end_of_document_stands_between_files(prepared):
    Path("a.txt").write_text("ab", "utf-8")
    Path("b.txt").write_text("ba", "utf-8")
    corpus = {"name": "text", "path": ["a.txt", "b.txt"]}
    tokenizer = {"name": "characters", "end_of_document": "|"}
    assert prepared(corpus=corpus, tokenizer=tokenizer).tokens.ids.tolist() == [0, 1, 2, 1, 0]


def test_ids_and_their_weights_come_as_the_corpus_gave_them(prepared):
    corpus = {"name": "counting", "documents": 2, "length": 3}
    tokens = prepared(corpus=corpus, tokenizer="ids").tokens
    assert tokens.ids.tolist() == [0, 1, 2, 1, 2, 3]
    assert tokens.weights.tolist() == [0, 1, 1, 0, 1, 1]


def test_a_corpus_of_ids_needs_the_tokenizer_of_ids(prepared):
    with pytest.raises(CorpusError, match="use `tokenizer: ids`"):
        prepared(corpus="counting")


def test_the_tokenizer_of_ids_needs_a_corpus_of_ids(prepared):
    with pytest.raises(CorpusError, match="this corpus gives text"):
        prepared(tokenizer="ids")


def test_max_characters_of_a_corpus_of_ids_is_refused_by_that_name(prepared):
    corpus = {"name": "counting", "max_characters": 5}
    with pytest.raises(CorpusError, match="max_characters"):
        prepared(corpus=corpus, tokenizer="ids")


@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize(
    ("kind", "description"),
    [
        *(("ndarray", "ndarray, and holds int64"), ("bytes", "bytes, and holds int")),
        *(("int", "int"), ("list", "list, and holds bytes")),
    ],
)
def test_what_is_no_document_is_named_by_its_split_number_and_type(
    kind, description, limit, prepared
):
    match = rf"'wrong', split 'train': document 2 is of type {description}; a document is a str, an"
    with pytest.raises(PluginError, match=match):
        prepared(corpus={"name": "wrong", "kind": kind, "max_characters": limit})


def test_a_corpus_without_a_training_split_is_refused(prepared):
    with pytest.raises(CorpusError, match="corpus 'untrained' has no split 'train'"):
        prepared(corpus="untrained", tokenizer="ids")


def test_a_corpus_that_says_so_late_is_replaced_by_its_stand_in_too(prepared, caplog):
    corpus = {"name": "nowhere", "if_unavailable": "counting"}
    assert prepared(corpus=corpus, tokenizer="ids").corpus.component.name == "counting"
    assert "nowhere to be had" in caplog.text


def test_a_corpus_without_a_stand_in_stays_unavailable(prepared):
    with pytest.raises(CorpusUnavailable, match=r"nowhere to be had, example\.org says 410"):
        prepared(corpus="nowhere", tokenizer="ids")


@pytest.mark.parametrize("sampler", ["consecutive", "random"])
def test_a_dropped_in_corpus_of_ids_is_learnt(tiny, dropped_in, sampler):
    run = seqlab.run(
        tiny
        | {"corpus": "counting", "tokenizer": "ids", "train": {"epochs": 30}}
        | {"sampler": {"name": sampler, "batch_size": 4, "window": 8}},
        registry=dropped_in,
    )
    first, *_, last = [row["perplexity"] for row in run.metrics]
    assert first > 4
    assert last < 1.5
    assert run.generate("1 2 3", length=3)[0].text.startswith("1 2 3 4 ")


def test_targets_that_count_for_nothing_are_not_counted(tiny, dropped_in):
    sections = {"corpus": "counting", "tokenizer": "ids"}
    sampler = {"name": "consecutive", "batch_size": 2, "window": 8, "partial": "keep"}
    run = seqlab.run(tiny | sections | {"sampler": sampler}, registry=dropped_in)
    assert run.metrics[0]["tokens"] == 20 * 11


def test_the_vocabularys_hash_tells_the_order_of_the_ids(prepared):
    Path("a.txt").write_text("ab", "utf-8")
    Path("b.txt").write_text("ba", "utf-8")
    hashes = [
        vocabulary_hash(prepared(corpus={"name": "text", "path": name}).tokenizer)
        for name in ("a.txt", "b.txt", "a.txt")
    ]
    assert hashes[0] == hashes[2] != hashes[1]
