"""Tiny Shakespeare, and the cut that everybody makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqlab import CorpusError, CorpusUnavailable, read_experiment
from seqlab.data.preparing import prepare
from seqlab.data.tokens import decode
from seqlab.registry import resolve

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"


@pytest.fixture
def opened(registry, tiny):
    def opened(**options):
        section = {"name": "tiny_shakespeare", **options}
        return prepare(resolve(read_experiment(tiny | {"corpus": section}), registry))

    return opened


@pytest.fixture
def plays(monkeypatch):
    if not (SHARED / "tinyshakespeare.txt").is_file():
        pytest.skip("the text is not shipped; it is not on this machine")
    monkeypatch.setenv("SEQLAB_DATA", str(SHARED))


@pytest.mark.usefixtures("plays")
def test_the_splits_are_the_usual_ones(opened):
    prepared = opened()
    valid = prepared.split("valid")
    assert (len(prepared.tokens), len(valid), prepared.tokenizer.size) == (1_003_854, 111_540, 65)
    both = [*prepared.tokens.ids, *valid.ids]
    text = (SHARED / "tinyshakespeare.txt").read_text("utf-8")
    assert decode(prepared.tokenizer, both) == text


@pytest.mark.usefixtures("plays")
@pytest.mark.parametrize("name", ["shakespeare_fast", "shakespeare_best"])
def test_the_experiments_score_the_whole_last_tenth(registry, name):
    resolved = resolve(read_experiment(EXPERIMENTS / f"{name}.yaml"), registry)
    assert (resolved.corpus.component.name, resolved.corpus_keys.holdout) == (
        "tiny_shakespeare",
        None,
    )
    assert resolved.evaluation is not None
    assert resolved.evaluation.split == "valid"


def test_a_text_that_is_nowhere_is_told_with_its_home(opened):
    with pytest.raises(CorpusUnavailable, match=r"tinyshakespeare\.txt is neither .*char-rnn"):
        opened()


def test_another_text_is_refused(opened):
    Path("data").mkdir()
    Path("data/tinyshakespeare.txt").write_text("To be, or not to be", "utf-8")
    with pytest.raises(CorpusError, match="is another file than the one"):
        opened()
