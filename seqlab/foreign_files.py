"""What a file is that is no plain text, or in another encoding, and what to do about it."""

from __future__ import annotations

import codecs
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

HEAD = 16  # bytes, which say what kind of file it is
SAMPLE = 1 << 16  # bytes, from which an encoding is guessed
_BEGINNING = 1 << 12  # characters, in which markup shows
_MOST_GUESSES = 2
_FEW = 64  # bytes beyond ASCII, of which no statistics can be made
_COMMON = {
    *("utf-16", "utf-16-le", "utf-16-be", "gb18030", "big5", "shift-jis", "cp932", "euc-jp"),
    *("cp949", "cp1251", "cp1252", "koi8-r"),
}

_NEVER_TEXT = {
    b"%PDF-": "a PDF: take its text out first, such as by pdftotext",
    b"\x1f\x8b\x08": "compressed by gzip: give it a name that ends with .gz",
    b"\xfd7zXZ\x00": "compressed by xz: decompress it first",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard: decompress it first",
    b"SQLite format 3\x00": "an SQLite database: write its texts to a file first",
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"\x80\x04\x95": "a pickle, which is never read, as it can run code",
    b"\x80\x05\x95": "a pickle, which is never read, as it can run code",
    b"\x93NUMPY": "an array of NumPy: `corpus: tokens` reads files of token ids",
    b"\xd0\xcf\x11\xe0": "a document of an older Office: save it as plain text",
}
_PERHAPS_TEXT = {  # a text may begin so, too
    b"BZh": "compressed by bzip2: decompress it first",
    b"PAR1": "a Parquet file: `corpus: parquet` reads these",
    b"GIF8": "a picture (GIF)",
}
_WORD = "a Word document (docx): save it as plain text"
_EPUB = "an EPUB book: take its text out first, such as by `pandoc -t plain`"
_EXCEL = "an Excel workbook (xlsx): save it as CSV; `corpus: csv` reads that"
_OPEN_DOCUMENT = "an OpenDocument file: save it as plain text"
_MEMBERS = {
    "word/document.xml": _WORD,
    "META-INF/container.xml": _EPUB,
    "xl/workbook.xml": _EXCEL,
    "content.xml": _OPEN_DOCUMENT,
}
_ENDINGS = {".docx": _WORD, ".epub": _EPUB, ".xlsx": _EXCEL, ".odt": _OPEN_DOCUMENT}

_HTML = "a web page (HTML): take its text out first, such as by `pandoc -t plain`"
_RICH_TEXT = "rich text (RTF): take its text out first, such as by `pandoc -t plain`"
_HTML_ENDINGS = {".html", ".htm", ".xhtml", ".xht"}
_BEFORE_HTML = r"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*"
_BEGINS_HTML = re.compile(rf"{_BEFORE_HTML}<(?:!doctype\s+html|html)[\s>]", re.I | re.DOTALL)
_TAG = re.compile(r"<(?:[a-z][a-z0-9]*(?:\s[^<>]*)?/?>|!--)", re.IGNORECASE)


def kind_of_file(path: Path, head: bytes, *, certainly: bool = False) -> str:
    """Say what a file is that is no text, and what to do about it; empty: it is not known.

    Args:
        path: the file, whose members and name tell one kind of zip from another.
        head: its first `HEAD` bytes.
        certainly: leave out what a text may begin with, too.
    """
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    kinds = _NEVER_TEXT if certainly else _NEVER_TEXT | _PERHAPS_TEXT
    return next((kind for magic, kind in kinds.items() if head.startswith(magic)), "")


def kind_of_markup(path: Path, text: str) -> str:
    """Say what markup a file is, from the beginning of its text and its name, and what to do.

    Empty: it is not known to be any. A text that mentions a tag is none.
    """
    beginning = text[:_BEGINNING].removeprefix("\ufeff")
    endings = {suffix.lower() for suffix in path.suffixes[-2:]}  # a.html.gz
    if _BEGINS_HTML.match(beginning) or (endings & _HTML_ENDINGS and _TAG.search(beginning)):
        return _HTML
    return _RICH_TEXT if beginning.startswith("{\\rtf") else ""


def what_it_may_be(
    path: Path, head: bytes, sample: bytes, remedy: Callable[[str], object], otherwise: str
) -> str:
    """Say what a file is that cannot be decoded, and what to do about it.

    Args:
        path: the file.
        head: its first `HEAD` bytes.
        sample: bytes around the place that cannot be decoded.
        remedy: what to do if a file has an encoding.
        otherwise: what to do if nothing is known of the file.
    """
    if kind := kind_of_file(path, head):
        return f"it is {kind}"
    guesses = likely_encodings(sample)
    return f"it may be {' or '.join(guesses)}: {remedy(guesses[0])}" if guesses else otherwise


def no_utf_8(path: Path, data: bytes) -> str:
    """Say what a file is that should be UTF-8 and is not, from all of it."""
    save = "save it as UTF-8"
    return what_it_may_be(path, data[:HEAD], data, lambda _: save, save)


def likely_encodings(sample: bytes) -> list[str]:
    """Return the likeliest encodings of some bytes, the best one first."""
    from charset_normalizer import from_bytes  # takes a while to import

    sample = sample[:SAMPLE]
    found = [match.encoding.replace("_", "-") for match in from_bytes(sample)]
    by_use = sorted(dict.fromkeys(found), key=lambda name: name not in _COMMON)
    if _has_few_letters(sample) and _decodes(sample, "gb2312"):  # statistics say little then
        by_use = list(dict.fromkeys(["gb18030", *by_use]))
    return by_use[:_MOST_GUESSES]


def _has_few_letters(sample: bytes) -> bool:
    """Whether there are hardly any bytes beyond ASCII."""
    return sum(byte > 127 for byte in sample) < _FEW


def _decodes(sample: bytes, encoding: str) -> bool:
    """Whether bytes are text in an encoding; the last character may be cut."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            kind = members.get("mimetype")
            if kind and kind.compress_type == zipfile.ZIP_STORED:  # as the standard of EPUB asks
                with archive.open(kind) as file:
                    if file.read(64).startswith(b"application/epub"):
                        return _EPUB
    except (OSError, RuntimeError, zipfile.BadZipFile):
        members = {}
    found = (kind for name, kind in _MEMBERS.items() if name in members)
    by_ending = _ENDINGS.get(path.suffix.lower())
    return next(found, by_ending or "a zip archive: give it a name that ends with .zip")
