"""Tiny Shakespeare: where it is found, and how it is split."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from seqlab_plugins.corpora.shakespeare import SHAKESPEARE, TinyShakespeare

from seqlab import CorpusError, CorpusUnavailable
from seqlab.testing import check_corpus

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def plays() -> Path:
    path = SHARED / SHAKESPEARE.name
    if not path.is_file():
        pytest.skip("the plays are not ours to ship; they are not on this machine")
    return path


def text(corpus, split: str) -> str:
    (document,) = corpus.documents(split)
    return "".join(document)


def test_nine_tenths_are_trained_and_the_rest_is_held_out(plays):
    corpus = TinyShakespeare(path=plays)
    train, valid = (text(corpus, split) for split in corpus.splits)
    assert (len(train), len(valid)) == (1_003_854, 111_540)
    assert train + valid == plays.read_text("utf-8")
    assert len(set(train)) == 65


@pytest.mark.parametrize("name", ["tinyshakespeare.txt", "input.txt"])
def test_it_is_found_under_both_names(plays, name, monkeypatch):
    Path("data").mkdir()
    shutil.copy(plays, Path("data", name))
    assert TinyShakespeare().files == [Path("data", name)]
    monkeypatch.setenv("SEQLAB_DATA", str(plays.parent))
    assert TinyShakespeare().files == [plays]


def test_another_file_of_its_name_is_refused():
    Path("data").mkdir()
    Path("data/tinyshakespeare.txt").write_text("Exeunt")
    with pytest.raises(CorpusError, match=r"data/tinyshakespeare\.txt: is not the published file"):
        TinyShakespeare()


def test_an_input_file_of_somebody_else_is_passed_over():
    Path("data").mkdir()
    Path("data/input.txt").write_text("Exeunt")
    with pytest.raises(CorpusUnavailable, match="the download failed"):
        TinyShakespeare()


def test_what_cannot_be_had_comes_with_advice():
    with pytest.raises(CorpusUnavailable) as caught:
        TinyShakespeare()
    texts = ("tinyshakespeare.txt", "$SEQLAB_DATA", "data/", SHAKESPEARE.url)
    assert all(text in str(caught.value) for text in texts)


def test_it_keeps_every_promise(plays):
    check_corpus(TinyShakespeare, path=plays)
