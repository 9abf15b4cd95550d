"""Files that are no text, or text in another encoding, are told as what they are."""

import zipfile
from pathlib import Path

import pytest
from seqlab_plugins.corpora.text import Folder, Text

from seqlab import CorpusError, CorpusUnavailable

CHINESE = "我们的歌在风里慢慢地唱，谁也不愿先离开。\n" * 20
LATIN = "Überraschung auf der Straße, déjà vu, garçon\n" * 20


def refusal(name, content):
    Path(name).write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        Text(path=Path(name)).fingerprint()
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(CHINESE, "gb18030"), (CHINESE, "utf-16"), (LATIN, "cp1252")],
)
def test_a_likely_encoding_is_named_and_reads_the_file(text, encoding):
    message = refusal("a.txt", text.encode(encoding))
    assert message.startswith("a.txt: is not utf-8 at byte ")
    assert f"it may be {encoding}" in message
    assert f"`encoding: {encoding}`" in message
    assert "".join(*Text(path=Path("a.txt"), encoding=encoding).documents("train")) == text


def zipped(*members):
    with zipfile.ZipFile("inner.zip", "w") as archive:
        for member in members:
            archive.writestr(member, "<x/>" * 100)
    return Path("inner.zip").read_bytes()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF"),
        (lambda: zipped("word/document.xml"), "a Word document"),
        (lambda: zipped("META-INF/container.xml"), "an EPUB book"),
        (lambda: zipped("a.txt"), "a zip archive"),
        (lambda: b"\x1f\x8b\x08\x00\xff\xff", "compressed by gzip"),
        (lambda: b"\x89PNG\r\n\x1a\n\xff", "a picture"),
        (lambda: b"\x80\x04\x95\xff", "a pickle, which is never read"),
    ],
)
def test_a_file_of_another_kind_is_named(content, kind):
    assert f"it is {kind}" in refusal("a.txt", content())


def test_a_glob_that_matches_nothing_says_what_is_there():
    Path("texts/more").mkdir(parents=True)
    for name in "abcdef":
        Path(f"texts/{name}.md").write_text("x")
    with pytest.raises(CorpusUnavailable) as caught:
        Text(path=Path("texts/*.txt"))
    assert str(caught.value).endswith("in texts: a.md, b.md, c.md, d.md, e.md, … (6 .md)")


def test_a_folder_in_which_nothing_matches_says_what_is_there_and_how_to_match_it():
    Path("texts").mkdir()
    Path("texts/a.md").write_text("x")
    with pytest.raises(CorpusError) as caught:
        Folder(path=Path("texts")).fingerprint()
    assert str(caught.value).endswith("matches **/*.txt (`match: GLOB`); in texts: a.md")


def test_an_empty_folder_is_said_to_be_empty():
    Path("texts").mkdir()
    with pytest.raises(CorpusUnavailable, match="texts is empty"):
        Text(path=Path("texts/*.txt"))
