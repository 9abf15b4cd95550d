"""One Billion Words by its shards, and what is said where it cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest
from seqlab_plugins.corpora.one_billion_words import OneBillionWords

import seqlab
from seqlab import CorpusError, CorpusUnavailable
from seqlab.testing import check_corpus

NAME = "1-billion-word-language-modeling-benchmark-r13output"
TRAINED, HELD_OUT = ("training", "news.en-"), ("heldout", "news.en.heldout-")


def shard(number, folder, name, of=100):
    """A shard as it is published: sentences of words, one a line."""
    path = Path(NAME, f"{folder}-monolingual.tokenized.shuffled", f"{name}{number:05}-of-{of:05}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"The shard {number} of {folder} .\nIt has two sentences .\n" * 9)
    return path


@pytest.fixture
def published():
    """Three shards to train and three held out."""
    for number in (1, 2, 99):
        shard(number, *TRAINED)
    for number in (0, 1, 2):
        shard(number, *HELD_OUT, of=50)
    return Path(NAME)


def shards(corpus, split):
    return ["".join(document).split()[2] for document in corpus.documents(split)]


def test_each_shard_is_a_document_and_the_first_held_out_one_is_the_test(published):
    corpus = OneBillionWords(path=published)
    found = {split: shards(corpus, split) for split in corpus.splits}
    assert found == {"train": ["1", "2", "99"], "valid": ["1", "2"], "test": ["0"]}
    assert len(corpus.files) == 6
    check_corpus(OneBillionWords, path=published)


def test_the_folder_around_it_and_one_in_data_are_found(published):
    assert OneBillionWords(path=Path()).files == OneBillionWords(path=published).files
    Path("data").mkdir()
    published.rename(Path("data", NAME))
    assert shards(OneBillionWords(), "test") == ["0"]


def test_a_part_of_the_shards_is_enough_to_train(tiny, published):
    settings = {
        "corpus": {"name": "one_billion_words", "path": NAME},
        "tokenizer": {"name": "words", "boundaries": "whitespace", "end_of_line": "<eos>"},
        "train": {"steps": 3},
    }
    run = seqlab.run({**tiny, **settings}, overrides={"tokenizer.unknown": "token"})
    text = run.tokenizer.encode("It has two sentences .\n").tolist()
    assert len({*text}) == 6
    assert run.evaluate("test")["tokens"] > 60


def test_that_it_cannot_be_had_is_said_with_where_to_get_it():
    with pytest.raises(CorpusUnavailable, match=rf"{NAME} is neither .*{NAME}\.tar\.gz"):
        OneBillionWords()


def test_shards_that_are_missing_are_said(published):
    for path in published.glob("heldout*/*00000*"):
        path.unlink()
    with pytest.raises(CorpusError, match=r"no shard of the split 'test'.*news.en.heldout-00000"):
        OneBillionWords(path=published)


def test_the_archive_is_to_be_unpacked_first():
    Path("it.tar.gz").touch()
    with pytest.raises(CorpusError, match=r"it.tar.gz: is not the unpacked folder.*tar -xf"):
        OneBillionWords(path=Path("it.tar.gz"))
