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
            content = "application/epub+zip" if member == "mimetype" else "<x/>" * 100
            archive.writestr(member, content)
    return Path("inner.zip").read_bytes()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF"),
        (lambda: zipped("word/document.xml"), "a Word document"),
        (lambda: zipped("META-INF/container.xml"), "an EPUB book"),
        (lambda: zipped("mimetype"), "an EPUB book"),
        (lambda: zipped("a.txt"), "a zip archive"),
        (lambda: b"\x1f\x8b\x08\x00\xff\xff", "compressed by gzip"),
        (lambda: b"\x89PNG\r\n\x1a\n\xff", "a picture"),
        (lambda: b"\x80\x04\x95\xff", "a pickle, which is never read"),
    ],
)
def test_a_file_of_another_kind_is_named(content, kind):
    assert f"is {kind}" in refusal("a.txt", content())


def test_a_zip_that_is_named_as_a_book_is_one():
    assert "is an EPUB book" in refusal("a.epub", zipped("a.txt"))


def test_a_pdf_is_named_in_an_encoding_that_reads_anything():
    Path("a.txt").write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    with pytest.raises(CorpusError, match="is a PDF"):
        Text(path=Path("a.txt"), encoding="latin-1").fingerprint()


WEB_PAGE = "<!DOCTYPE html>\n<title>A page</title><p>我们的歌</p>\n"


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.txt", WEB_PAGE, "a web page"),
        ("a.txt", "\ufeff\n <HTML lang=zh><p>我们</p>", "a web page"),
        ("a.txt", '<?xml version="1.0"?>\n<!-- made -->\n<html xmlns="x">', "a web page"),
        ("a.HTM", "<p>我们的歌</p>\n", "a web page"),
        ("a.txt", "{\\rtf1\\ansi hello}", "rich text"),
    ],
)
def test_markup_is_refused_with_what_to_do_and_how_to_keep_it(name, text, kind):
    message = refusal(name, text.encode())
    assert message.startswith(f"{name}: is {kind}")
    assert "`pandoc -t plain`" in message
    assert message.endswith("`markup: true` keeps its tags")
    kept = Text(path=Path(name), markup=True)
    assert "".join(*kept.documents("train")) == text.removeprefix("\ufeff")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "A page begins with <html> and <!doctype html>.\n"),
        ("a.txt", "<htmlish> is no tag"),
        ("a.html", "no tag here, 1 < 2 > 0\n"),
    ],
)
def test_a_text_about_tags_is_read(name, text):
    Path(name).write_text(text, "utf-8")
    assert "".join(*Text(path=Path(name)).documents("train")) == text


def test_a_folder_refuses_web_pages_too():
    Path("texts").mkdir()
    Path("texts/a.html").write_text(WEB_PAGE, "utf-8")
    with pytest.raises(CorpusError, match="is a web page"):
        Folder(path=Path("texts"), match="*.html").fingerprint()
    kept = Folder(path=Path("texts"), match="*.html", markup=True)
    assert "".join(*kept.documents("train")) == WEB_PAGE


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
