"""The Penn Treebank, WikiText, text8 and enwik8: from a copy, checked, and what is said else."""

from __future__ import annotations

import hashlib
import logging
import zipfile
from pathlib import Path

import numpy as np
import pytest
from seqlab_plugins.corpora import hundred_megabytes, published_words
from seqlab_plugins.corpora.hundred_megabytes import Enwik8, Text8
from seqlab_plugins.corpora.published_words import PennTreebank, WikiText

import seqlab
from seqlab import CorpusError, CorpusUnavailable
from seqlab.testing import check_corpus

LINES = {
    split: f" {split} words of a <unk> \n \n = and = \n" * 5 for split in ("train", "valid", "test")
}
NAMES = ("ptb.{}.txt", "{}.txt")


def written(folder, name):
    Path(folder).mkdir(parents=True)
    for split, text in LINES.items():
        Path(folder, name.format(split)).write_text(text)
    return Path(folder)


def zipped(name, members):
    with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return Path(name)


def texts(corpus):
    return {split: "".join(*corpus.documents(split)) for split in corpus.splits}


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_the_treebank_is_read_under_both_kinds_of_names(name):
    corpus = PennTreebank(path=written("ptb", name))
    assert texts(corpus) == LINES
    assert len(corpus.files) == 3
    check_corpus(PennTreebank, path=Path("ptb"))


@pytest.mark.parametrize(("size", "raw"), [(2, False), (103, True)])
def test_wikitext_is_read_from_its_zip_and_from_its_folder(size, raw):
    folder, ending = f"wikitext-{size}{'-raw' * raw}", "raw" if raw else "tokens"
    members = {f"{folder}/wiki.{split}.{ending}": text for split, text in LINES.items()}
    archive = zipped("w.zip", members)
    unpacked = written("unpacked", f"wiki.{{}}.{ending}")
    for path in (archive, unpacked):
        assert texts(WikiText(size=size, raw=raw, path=path)) == LINES
    check_corpus(WikiText, path=archive, size=size, raw=raw)


@pytest.mark.parametrize("kind", [Text8, Enwik8])
def test_of_a_hundred_megabytes_nine_tenths_are_trained(kind):
    data = b"abcdefghij " * 20
    for path in (zipped("it.zip", {"it": data}), Path("it")):
        Path("it").write_bytes(data)
        parts = [next(iter(kind(path=path).documents(split))) for split in kind.splits]
        parts = [p if isinstance(p, str) else p.ids.tobytes().decode() for p in parts]
        assert list(map(len, parts)) == [198, 11, 11]
        assert "".join(parts) == data.decode()
    check_corpus(kind, path=Path("it"))


def test_bits_per_byte_of_enwik8_are_those_of_its_bytes(tiny):
    Path("it").write_bytes("naïve, and so on; ".encode() * 90)
    run = seqlab.run(
        {
            **tiny,
            "corpus": {"name": "enwik8", "path": "it"},
            "tokenizer": "bytes",
            "evaluation": {"rows": 1},
        }
    )
    row = run.metrics[-1]
    assert row["bits_per_byte"] == pytest.approx(row["loss"] / np.log(2))


def test_a_copy_that_is_the_published_file_is_used_without_a_word(monkeypatch, caplog):
    folder = written("ptb", NAMES[0])
    known = {split: hashlib.sha256(text.encode()).hexdigest() for split, text in LINES.items()}
    monkeypatch.setattr(published_words, "PENN", known)
    PennTreebank(path=folder)
    assert not caplog.records


def test_that_a_copy_is_another_file_is_said(caplog):
    caplog.set_level(logging.WARNING)
    PennTreebank(path=written("ptb", NAMES[1]))
    assert "ptb/train.txt is not the published file with the Penn Treebank (train)" in caplog.text
    assert "begins with" in caplog.text
    assert len(caplog.records) == 3


@pytest.mark.parametrize("unpacked", [False, True])
def test_a_zip_and_what_was_in_it_are_both_the_published_file(unpacked, monkeypatch, caplog):
    data = b"abc " * 50
    path = zipped("it.zip", {"it": data})
    digest = hashlib.sha256(data if unpacked else path.read_bytes()).hexdigest()
    if unpacked:
        path = Path("it")
        path.write_bytes(data)
    known = {"unpacked_sha256" if unpacked else "sha256": digest}
    published = hundred_megabytes.TEXT8.__class__(**{**vars(hundred_megabytes.TEXT8), **known})
    monkeypatch.setattr(hundred_megabytes, "TEXT8", published)
    Text8(path=path)
    assert not caplog.records


@pytest.mark.parametrize(
    ("make", "file"),
    [
        (PennTreebank, "ptb.train.txt"),
        (WikiText, "wikitext-2-v1.zip"),
        (lambda: WikiText(size=103, raw=True), "wikitext-103-raw-v1.zip"),
        (Text8, "text8.zip"),
        (Enwik8, "enwik8.zip"),
    ],
)
def test_what_cannot_be_had_is_said_with_where_to_get_it(make, file):
    with pytest.raises(CorpusUnavailable) as caught:
        make()
    assert file in str(caught.value)
    assert "(from https://" in str(caught.value)


def test_a_folder_without_a_split_is_refused():
    written("ptb", NAMES[0])
    Path("ptb/ptb.test.txt").unlink()
    with pytest.raises(CorpusError, match=r"ptb: there is no ptb.test.txt or test.txt in it"):
        PennTreebank(path=Path("ptb"))


def test_letters_that_are_not_ascii_are_not_text8():
    Path("it").write_text("ä" * 50)
    with pytest.raises(CorpusError, match="is not text8"):
        list(Text8(path=Path("it")).documents("train"))
