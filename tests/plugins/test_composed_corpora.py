"""Corpora made of corpora: what they have, and in which order."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import seqlab
from seqlab.errors import ExperimentError
from seqlab.registry import resolve
from seqlab.testing import Subject, checks_of, look_at


@pytest.fixture
def corpus(tiny, registry):
    """Make the corpus of a section, of files `a.txt` to `c.txt` with 60, 30 and 10 documents."""
    for name, count in (("a", 60), ("b", 30), ("c", 10)):
        Path(name).mkdir()
        for number in range(count):
            Path(name, f"{number:02}.txt").write_text(f"{name}{number:02}", "utf-8")
    Path("v.txt").write_text("valid", "utf-8")

    def corpus(section):
        return resolve(seqlab.read_experiment({**tiny, "corpus": section}), registry).corpus()

    return corpus


def files(name, **options):
    return {"name": "text", "path": f"{name}/*.txt", **options}


def texts(corpus, split="train"):
    return ["".join(document) for document in corpus.documents(split)]


def test_one_after_another_in_every_split(corpus):
    both = corpus({"name": "concatenated", "corpora": [files("b", valid="v.txt"), files("c")]})
    assert texts(both) == [f"b{n:02}" for n in range(30)] + [f"c{n:02}" for n in range(10)]
    assert list(both.splits) == ["train", "valid"]
    assert texts(both, "valid") == ["valid"]
    assert len(both.files) == 41


@pytest.mark.parametrize("until", ["first_ends", "all_end"])
def test_a_mixture_draws_by_weight_and_each_corpus_keeps_its_order(corpus, until):
    shares = [{"corpus": files("a"), "weight": 6}, {"corpus": files("b"), "weight": 3}]
    drawn = texts(corpus({"name": "mixture", "shares": shares, "until": until, "seed": 1}))
    counts = Counter(text[0] for text in drawn)
    assert 1.2 < counts["a"] / counts["b"] < 3.5
    for name, size in (("a", 60), ("b", 30)):
        own = [text for text in drawn if text[0] == name]
        assert own == [f"{name}{n % size:02}" for n in range(len(own))]
    ended = [counts["a"] >= 60, counts["b"] >= 30]
    assert any(ended) if until == "first_ends" else all(ended)


def test_a_seed_decides_the_draws_and_the_fingerprint(corpus):
    def mixed(seed, weight=1.0):
        shares = [{"corpus": files("a"), "weight": weight}, {"corpus": files("b")}]
        return corpus({"name": "mixture", "shares": shares, "seed": seed})

    assert texts(mixed(1)) == texts(mixed(1)) != texts(mixed(2))
    prints = [mixed(1).fingerprint(), mixed(2).fingerprint(), mixed(1, 3.0).fingerprint()]
    assert len({*prints, mixed(1).fingerprint()}) == 3


def test_a_part_may_be_limited_and_have_a_stand_in(corpus):
    missing = {"name": "text", "path": "missing.txt", "if_unavailable": files("c")}
    parts = [files("b", max_characters=7), missing]
    both = corpus({"name": "concatenated", "corpora": parts})
    both.fingerprint()
    assert texts(both)[:4] == ["b00", "b01", "b", "c00"]


def test_a_key_of_the_whole_is_refused_in_a_part(corpus):
    section = {"name": "concatenated", "corpora": [files("b", holdout=0.1)]}
    with pytest.raises(ExperimentError, match=r"corpora.0.holdout: belongs in the section"):
        corpus(section)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("concatenated", {"corpora": ["original_lyrics", {"name": "text", "path": "m.txt"}]}),
        ("mixture", {"shares": [{"corpus": "original_lyrics"}, {"corpus": "original_lyrics"}]}),
    ],
)
def test_they_keep_every_promise(registry, name, options):
    Path("m.txt").write_text("one document\n" * 9, "utf-8")
    subject = Subject.of_component(registry.find("corpus", name), options, registry)
    results = [look_at(check, subject) for check in checks_of("corpus")]
    assert [r for r in results if r.verdict == "broken"] == []


def test_a_run_on_a_mixture_resumes_to_the_bit(tiny):
    Path("m.txt").write_text("a little more of a text to train on\n" * 30, "utf-8")
    shares = [{"corpus": tiny["corpus"]}, {"corpus": {"name": "text", "path": "m.txt"}}]
    corpus = {"name": "mixture", "shares": shares, "until": "all_end"}
    experiment = {**tiny, "corpus": corpus, "train": {"epochs": 2, "seed": 5}}
    whole = seqlab.run(experiment, run_dir="whole")
    seqlab.run(experiment, overrides=["train.epochs=1"], run_dir="half")
    again = seqlab.resume("half", overrides=["train.epochs=2"])
    assert [row["loss"] for row in again.metrics] == [row["loss"] for row in whole.metrics]
