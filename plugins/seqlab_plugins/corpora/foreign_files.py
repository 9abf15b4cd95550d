"""What a file is that is no text in the encoding that was asked for, and what to do about it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from seqlab import CorpusError

SAMPLE = 1 << 16  # bytes, from which an encoding is guessed
_MOST_GUESSES = 2
_COMMON = {
    *("utf-16", "utf-16-le", "utf-16-be", "gb18030", "big5", "shift-jis", "cp932", "euc-jp"),
    *("cp949", "cp1251", "cp1252", "koi8-r"),
}

_KINDS = {
    b"%PDF-": "a PDF: take its text out first, such as by pdftotext",
    b"\x1f\x8b": "compressed by gzip: give it a name that ends with .gz",
    b"BZh": "compressed by bzip2: decompress it first",
    b"\xfd7zXZ\x00": "compressed by xz: decompress it first",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard: decompress it first",
    b"PAR1": "a Parquet file: `corpus: parquet` reads these",
    b"SQLite format 3\x00": "an SQLite database: write its texts to a file first",
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"GIF8": "a picture (GIF)",
    b"\x80\x04\x95": "a pickle, which is never read, as it can run code",
    b"\x80\x05\x95": "a pickle, which is never read, as it can run code",
    b"\x93NUMPY": "an array of NumPy: `corpus: tokens` reads files of token ids",
    b"\xd0\xcf\x11\xe0": "a document of an older Office: save it as plain text",
}
_ZIPS = {
    "word/document.xml": "a Word document (docx): save it as plain text",
    "META-INF/container.xml": "an EPUB book: take its text out first, such as by pandoc -t plain",
    "xl/workbook.xml": "an Excel workbook (xlsx): save it as CSV; `corpus: csv` reads that",
    "content.xml": "an OpenDocument file: save it as plain text",
}


def undecodable(path: Path, problem: str, head: bytes, sample: bytes) -> CorpusError:
    """Return the error of a file that cannot be decoded.

    Args:
        path: the file.
        problem: what is wrong, and where.
        head: the first bytes of the file.
        sample: bytes around the place.
    """
    if kind := _kind(path, head):
        return CorpusError(f"{path}: {problem}; it is {kind}")
    guesses = _encodings(sample)
    if not guesses:
        return CorpusError(f"{path}: {problem}; `corpus: binary` reads any file as its bytes")
    names = " or ".join(guesses)
    return CorpusError(f"{path}: {problem}; it may be {names}: `encoding: {guesses[0]}`")


def _kind(path: Path, head: bytes) -> str:
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    return next((kind for magic, kind in _KINDS.items() if head.startswith(magic)), "")


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        names = set()
    found = (kind for name, kind in _ZIPS.items() if name in names)
    return next(found, "a zip archive: give it a name that ends with .zip")


def _encodings(sample: bytes) -> list[str]:
    """The likeliest encodings of some bytes, the best one first."""
    from charset_normalizer import from_bytes  # takes a while to import

    found = [match.encoding.replace("_", "-") for match in from_bytes(sample[:SAMPLE])]
    by_use = sorted(dict.fromkeys(found), key=lambda name: name not in _COMMON)
    return by_use[:_MOST_GUESSES]
