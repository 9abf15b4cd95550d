"""The lyrics: where the textbook's are found, and what stands in for them."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pooch
import pytest
from requests import ConnectionError as NoConnection
from seqlab_plugins.corpora.lyrics import LYRICS

from seqlab import CorpusError, CorpusUnavailable, read_experiment
from seqlab.data.preparation import prepare
from seqlab.data.tokens import decode
from seqlab.registry import resolve


@pytest.fixture
def opened(registry, tiny):
    """Open the corpus of an experiment, given as its section."""

    def opened(section):
        return prepare(resolve(read_experiment(tiny | {"corpus": section}), registry))

    return opened


@pytest.fixture
def downloads(monkeypatch):
    """The addresses that were asked for, by a machine without a network."""
    asked = []

    def refuse(self, url, output_file, downloader):
        asked.append(url)
        raise NoConnection("no route to host")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", refuse)
    return asked


def text_of(prepared) -> str:
    return decode(prepared.tokenizer, prepared.tokens.ids)


def copy_zip(lyrics: Path, folder: str | Path) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    shutil.copy(lyrics / LYRICS.name, folder)


def test_the_lyrics_have_the_textbooks_63282_characters(opened, lyrics):
    assert len(opened("jay_lyrics").tokens) == 63_282


def test_the_first_10000_characters_have_the_textbooks_vocabulary(opened, lyrics):
    prepared = opened({"name": "jay_lyrics", "max_characters": 10_000})
    assert (len(prepared.tokens), prepared.tokenizer.size) == (10_000, 1_027)


def test_newlines_are_read_as_spaces(opened, lyrics):
    assert text_of(opened("jay_lyrics")).startswith("想要有直升机 想要和你飞到宇宙去 ")


def test_newlines_can_be_kept(opened, lyrics):
    kept = opened({"name": "jay_lyrics", "newlines": "lf"})
    assert text_of(kept).startswith("想要有直升机\n想要和你飞到宇宙去\n")


@pytest.mark.parametrize("folder", ["data", "../cache/seqlab/corpora"])
def test_the_lyrics_are_found_without_being_told_where(
    opened, lyrics, downloads, monkeypatch, folder
):
    monkeypatch.delenv("SEQLAB_DATA")
    copy_zip(lyrics, folder)
    assert len(opened("jay_lyrics").tokens) == 63_282
    assert not downloads


def test_the_folder_of_the_environment_comes_before_the_others(opened, lyrics):
    Path("data").mkdir()
    Path("data", LYRICS.name).write_bytes(b"another file")
    assert len(opened("jay_lyrics").tokens) == 63_282


def test_path_says_where_the_lyrics_are(opened, lyrics, downloads, monkeypatch):
    monkeypatch.delenv("SEQLAB_DATA")
    copy_zip(lyrics, "elsewhere")
    assert len(opened({"name": "jay_lyrics", "path": f"elsewhere/{LYRICS.name}"}).tokens) == 63_282


def test_a_file_with_another_hash_is_refused_by_its_name(opened):
    Path("data").mkdir()
    Path("data", LYRICS.name).write_bytes(b"another file")
    other = f"data/{LYRICS.name}.*not {LYRICS.sha256[:12]}"
    with pytest.raises(CorpusError, match=other) as caught:
        opened("jay_lyrics")
    assert not isinstance(caught.value, CorpusUnavailable)


def test_another_file_is_not_replaced_by_the_stand_in(opened):
    Path("data").mkdir()
    Path("data", LYRICS.name).write_bytes(b"another file")
    with pytest.raises(CorpusError, match="is not the published file"):
        opened({"name": "jay_lyrics", "if_unavailable": "original_lyrics"})


def test_a_download_is_tried_when_the_lyrics_are_nowhere(opened, downloads):
    with pytest.raises(CorpusUnavailable):
        opened("jay_lyrics")
    assert downloads == [LYRICS.url]


def test_nothing_is_downloaded_where_the_environment_says_so(opened, downloads, monkeypatch):
    monkeypatch.setenv("SEQLAB_OFFLINE", "1")
    with pytest.raises(CorpusUnavailable, match="SEQLAB_OFFLINE is set, so nothing is downloaded"):
        opened("jay_lyrics")
    assert not downloads


def test_lyrics_that_cannot_be_had_come_with_advice(opened, downloads):
    with pytest.raises(CorpusUnavailable) as caught:
        opened("jay_lyrics")
    message = str(caught.value)
    assert all(text in message for text in (LYRICS.name, "$SEQLAB_DATA", "data/", LYRICS.url))
    assert "\n" not in message


def test_a_path_that_is_not_there_is_an_error_and_nothing_is_downloaded(opened, downloads):
    with pytest.raises(CorpusError, match=r"nowhere\.zip: there is no such file"):
        opened({"name": "jay_lyrics", "path": "nowhere.zip"})
    assert not downloads


def test_a_download_with_another_hash_is_refused(opened, monkeypatch):
    def deliver(self, url, output_file, downloader):
        Path(output_file).write_bytes(b"another file")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", deliver)
    with pytest.raises(CorpusError):
        opened("jay_lyrics")


def test_the_stand_in_is_used_and_its_use_is_told(opened, downloads, caplog):
    with caplog.at_level(logging.WARNING):
        prepared = opened({"name": "jay_lyrics", "if_unavailable": "original_lyrics"})
    assert prepared.corpus.component.name == "original_lyrics"
    assert "original_lyrics' instead" in caplog.text
    assert "do not compare" in caplog.text


def test_a_stand_in_may_have_options(opened, downloads):
    Path("mine.txt").write_text("mine", "utf-8")
    stand_in = {"name": "text", "path": "mine.txt"}
    assert text_of(opened({"name": "jay_lyrics", "if_unavailable": stand_in})) == "mine"


def test_the_stand_in_is_not_used_where_the_lyrics_are(opened, lyrics, caplog):
    prepared = opened({"name": "jay_lyrics", "if_unavailable": "original_lyrics"})
    assert prepared.corpus.component.name == "jay_lyrics"
    assert not caplog.records


def test_the_original_lyrics_are_large_enough_to_learn_from(opened):
    prepared = opened("original_lyrics")
    assert len(prepared.tokens) >= 12_000
    assert prepared.tokenizer.size >= 900


def test_the_original_lyrics_have_the_textbooks_prefixes(opened):
    text = text_of(opened("original_lyrics"))
    assert "不分开" in text
    assert "分开" in text.replace("不分开", "")


def test_the_original_lyrics_are_read_with_newlines_as_spaces(opened):
    assert not {"\n", "\r"} & set(text_of(opened("original_lyrics")))


def test_the_stand_in_shares_no_song_with_the_lyrics(opened, lyrics):
    both = [text_of(opened(name)) for name in ("jay_lyrics", "original_lyrics")]
    lines = [{line for line in text.split() if len(line) >= 10} for text in both]
    assert not lines[0] & lines[1]
