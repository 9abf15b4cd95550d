"""What is scored is not trained: the same file in two splits, or the same bytes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seqlab import CorpusError, load_plugins, read_experiment
from seqlab.data.splits import open_source
from seqlab.registry import resolve

WORDS = ("one fine day ", "two of a kind ", "three is a crowd ")


def _text(path, text):
    path.write_text(text)


def _jsonl(path, text):
    path.write_text(json.dumps({"text": text}) + "\n")


def _parquet(path, text):
    pq.write_table(pa.table({"text": [text]}), path)


def _tokens(path, text):
    np.frombuffer(text.encode(), np.uint8).astype("<u2").tofile(path)


FORMS = {"text": _text, "jsonl": _jsonl, "parquet": _parquet, "tokens": _tokens}


@pytest.fixture(params=FORMS)
def opened(request, registry, tiny):
    """Write three files, and open a corpus of one of the forms on some of them."""
    for name, words in zip("abc", WORDS, strict=True):
        FORMS[request.param](Path(name), words * 20)

    def opened(**files):
        section = {"name": request.param, **files}
        return open_source(resolve(read_experiment(tiny | {"corpus": section}), registry)).corpus

    return opened


def linked(name: str, how: str) -> str:
    """Give a file a second name."""
    {"soft": os.symlink, "hard": os.link}[how](name, "link")
    return "link"


def test_files_of_other_splits_are_left_out_of_training_and_named(opened, caplog):
    corpus = opened(path=["a", "b", "c"], valid="b", test="./c")
    assert [path.name for path in corpus.split_files()["train"]] == ["a"]
    (message,) = caplog.messages
    assert "`train` leaves them out" in message
    assert [Path(name).name for name in message.partition("out: ")[2].split(", ")] == ["b", "c"]


@pytest.mark.parametrize("how", ["soft", "hard"])
def test_another_name_of_a_scored_file_is_not_trained_either(how, opened, caplog):
    corpus = opened(path=["a", linked("b", how)], valid="b")
    names = [path.name for path in corpus.split_files()["train"]]
    assert (names, len(caplog.messages)) == (["a"], 1)


def test_the_same_path_for_both_leaves_nothing_to_train(opened):
    with pytest.raises(CorpusError, match="nothing is left to train"):
        opened(path="a", valid=linked("a", "soft"))


def test_splits_to_score_that_share_a_file_are_said(opened, caplog):
    opened(path="a", valid="b", test=["b", "c"])
    assert "splits 'valid' and 'test' have the same files: " in caplog.text
    assert caplog.messages[0].endswith("/b")


def test_the_same_content_under_two_names_is_said(opened, caplog):
    Path("copy").write_bytes(Path("a").read_bytes())
    opened(path=["a", "b"], valid="copy")
    assert "files of different splits have the same content: " in caplog.text
    assert caplog.messages[0].endswith("/copy")


def test_files_that_only_begin_alike_are_not_the_same(opened, caplog):
    opened(path="a", valid="b", test="c")
    assert not caplog.messages


def test_a_corpus_of_a_stranger_that_trains_what_it_scores_is_refused(drop, tiny):
    Path("a").write_text("some text " * 40)
    drop("""
        import seqlab
        from pathlib import Path

        class Stranger:
            splits = ("train", "valid")
            def documents(self, split):
                yield Path("a").read_text()
            def fingerprint(self):
                return "same"
            def split_files(self):
                return {"train": [Path("a")], "valid": [Path("./a")]}

        @seqlab.hookimpl
        def seqlab_register_corpora():
            return {"stranger": Stranger}
    """)
    resolved = resolve(read_experiment(tiny | {"corpus": "stranger"}), load_plugins())
    with pytest.raises(CorpusError, match="splits 'train' and 'valid' have the same files: a"):
        open_source(resolved)
