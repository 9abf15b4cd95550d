"""Splits: those that a corpus has, and those that are cut from its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import seqlab
from seqlab import CorpusError, ExperimentError, read_experiment
from seqlab.data.splits import open_source
from seqlab.registry import resolve

SPY = '''
from pathlib import Path

from seqlab import hookimpl
from seqlab_plugins.tokenizers.basic import Characters


def note(what, text):
    with Path("seen.txt").open("a") as file:
        file.write(f"{what}: {text}\\n")


class Three:
    """A corpus with splits of its own, each with a letter of its own."""

    splits = ("train", "valid", "test")

    def documents(self, split):
        note("split", split)
        yield {"train": "abT", "valid": "abV", "test": "abX"}[split] * 100

    def fingerprint(self):
        return "three"


class Spy(Characters):
    def __init__(self):
        super().__init__(unknown="token")

    def fit(self, documents):
        documents = ["".join(document) for document in documents]
        note("fit", sorted(set("".join(documents))))
        super().fit(documents)

    def encode(self, text):
        note("encode", sorted(set(text)))
        return super().encode(text)


@hookimpl
def seqlab_register_corpora():
    return {"three": Three}


@hookimpl
def seqlab_register_tokenizers():
    return {"spy": Spy}
'''


@pytest.fixture
def source(tiny, registry):
    """Open a corpus of the text in `text.txt`."""

    def source(text=None, **keys):
        if text is not None:
            Path("text.txt").write_text(text, "utf-8", newline="")
        corpus = {"name": "text", "path": "text.txt", "newlines": "keep"} | keys
        return open_source(resolve(read_experiment(tiny | {"corpus": corpus}), registry))

    return source


def text(source, split) -> str:
    return "".join("".join(document) for document in source.documents(split))


SHARES = st.floats(0, 0.49, exclude_min=True)


@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
@given(st.text("分开abc\r\n", min_size=1), SHARES, SHARES)
def test_train_valid_and_test_follow_one_another_and_are_the_whole(source, whole, valid, test):
    opened = source(whole, holdout={"valid": valid, "test": test})
    parts = [text(opened, split) for split in ("train", "valid", "test")]
    assert "".join(parts) == whole
    assert [len(part) for part in parts[1:]] == [int(len(whole) * s) for s in (valid, test)]


def test_one_share_is_that_of_valid(source):
    opened = source("abcdefghij", holdout=0.3)
    assert (text(opened, "train"), text(opened, "valid")) == ("abcdefg", "hij")
    assert list(opened.splits) == ["train", "valid"]


def test_max_characters_come_before_the_shares(source):
    opened = source("abcdefghijklmnop", max_characters=10, holdout=0.3)
    assert (text(opened, "train"), text(opened, "valid")) == ("abcdefg", "hij")


def test_no_empty_document_is_lost_to_the_shares(tiny, registry):
    lines = ["", "abcde", "", "fghij", "", ""]
    Path("some.jsonl").write_text("\n".join(f'{{"text": "{line}"}}' for line in lines))
    corpus = {"name": "jsonl", "path": "some.jsonl", "holdout": 0.5}
    opened = open_source(resolve(read_experiment(tiny | {"corpus": corpus}), registry))
    parts = [["".join(part) for part in opened.documents(split)] for split in opened.splits]
    assert parts == [["", "abcde"], ["", "fghij", "", ""]]


def test_a_split_streams_anew_at_each_call(source):
    opened = source("abcdefghij", holdout=0.3)
    assert text(opened, "valid") == text(opened, "valid") == "hij"


def test_what_is_held_out_changes_no_fingerprint(source):
    assert source("abcdefghij", holdout=0.3).fingerprint == source().fingerprint


def test_an_unknown_split_is_named_with_those_there_are(source):
    with pytest.raises(CorpusError, match=r"has no split 'test' \(it has train, valid\)"):
        list(source("abc", holdout=0.3).documents("test"))


def test_without_holdout_the_advice_is_to_add_it(source):
    with pytest.raises(CorpusError, match=r"corpus\.holdout makes valid and test"):
        list(source("abc").documents("valid"))


def test_shares_that_leave_nothing_to_train_on_are_refused(source):
    with pytest.raises(ExperimentError, match=r"corpus\.holdout: should be shares of less than 1"):
        source("abc", holdout={"valid": 0.5, "test": 0.5})


@pytest.fixture
def spied(tiny, drop):
    """An experiment whose corpus and tokenizer note what is asked of them."""
    drop(SPY, "spy")
    model = {"cell": {"name": "rnn", "hidden_size": 4}, "samples": {"prefixes": ["a"]}}
    sections = {"tokenizer": "spy", "evaluation": {"every": 3}, "train": {"steps": 7}}
    return tiny | sections | model


def seen(what) -> str:
    lines = Path("seen.txt").read_text().splitlines()
    return "".join(line for line in lines if line.startswith(what))


def test_the_test_split_is_not_asked_for_before_it_is_evaluated(spied):
    run = seqlab.run(spied | {"corpus": "three"})
    run.generate("a")
    seqlab.resume(run.path, overrides=["train.steps=9"])
    assert "test" not in seen("split")
    run.evaluate("test")
    assert seen("split").endswith("split: test")


def test_no_held_out_character_reaches_fit_and_none_of_test_is_ever_encoded(spied):
    Path("text.txt").write_text("abT" * 200 + "abV" * 50 + "abX" * 50, "utf-8")
    corpus = {"name": "text", "path": "text.txt", "holdout": {"valid": 1 / 6, "test": 1 / 6}}
    run = seqlab.run(spied | {"corpus": corpus})
    assert seen("fit") == "fit: ['T', 'a', 'b']"
    assert "V" in seen("encode")
    assert "X" not in seen("encode")
    assert {row["split"] for row in run.metrics} == {"train", "valid"}
    run.evaluate("test")
    assert "X" in seen("encode")


def test_holdout_is_refused_where_a_corpus_has_that_split(spied):
    corpus = {"name": "three", "holdout": 0.5}
    with pytest.raises(CorpusError, match="'three' has a split 'valid' of its own; leave out hold"):
        seqlab.run(spied | {"corpus": corpus})


def test_a_split_of_its_own_is_evaluated_as_it_is(spied):
    run = seqlab.run(spied | {"corpus": "three"})
    assert next(row["tokens"] for row in run.metrics if row["split"] == "valid") == 299


@pytest.fixture
def surprising(tiny):
    """An experiment whose held-out part has a character that the rest has not."""
    Path("text.txt").write_text("ab" * 200 + "猫" * 40, "utf-8")
    corpus = {"name": "text", "path": "text.txt", "holdout": 0.1}
    return tiny | {"corpus": corpus, "evaluation": {}}


@pytest.mark.parametrize("message", [r"'猫' \(U\+732B\)", "valid", "unknown: token"])
def test_a_held_out_character_that_training_lacks_is_named_with_advice(
    message, surprising, registry
):
    with pytest.raises(CorpusError, match=message):
        seqlab.run(surprising, registry=registry)


def test_unknown_held_out_characters_may_share_a_token(surprising, registry):
    tokenizer = {"name": "characters", "unknown": "token"}
    run = seqlab.run(surprising | {"tokenizer": tokenizer}, registry=registry)
    assert run.evaluate("valid")["tokens"] == 43


def test_a_share_too_small_for_a_character_is_told_by_its_split(surprising, registry):
    surprising["corpus"]["holdout"] = 0.001
    with pytest.raises(CorpusError, match="valid"):
        seqlab.run(surprising, registry=registry)
