"""Text from files, plain, gzip or zip, in any encoding, read in pieces."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, cast

from seqlab import Corpus, CorpusError, CorpusUnavailable, Document, text_pieces
from seqlab.foreign_files import HEAD, SAMPLE, kind_of_file, what_it_may_be
from seqlab.remedies import OptionValue
from seqlab_plugins.corpora.split_files import unreadable
from seqlab_plugins.corpora.zip_members import open_member

Newlines = Literal["keep", "lf", "space"]

_DAMAGED = (
    *(zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError),
)

PIECE = 1 << 20  # bytes
MAX_RATIO = 200  # of decompressed to compressed size; Chinese or English text has about 4
MIN_SUSPICIOUS = 16 << 20  # bytes; smaller files may have any ratio


def read_pieces(
    path: Path, *, encoding: str = "utf-8", newlines: Newlines = "lf", member: str | None = None
) -> Iterator[str]:
    """Yield the text of a file in pieces of about a mebibyte.

    Args:
        path: a text file, plain or compressed as `.gz` or `.zip`.
        encoding: any that Python knows; a byte order mark at the start is left out.
        newlines: keep them; replace them by LF; or replace every CR and LF by a space.
        member: the file in a zip; None: the only one.

    Raises:
        CorpusUnavailable: there is no such file.
        CorpusError: it cannot be read, decompressed or decoded.
    """
    try:
        with _open(path, member) as (file, compressed):
            chunks = _chunks(file, compressed, path)
            yield from replace_newlines(_decode(chunks, encoding, path), newlines)
    except FileNotFoundError:
        raise CorpusUnavailable(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise CorpusError(f"{path}: is a folder; write {path}/*.txt for the files in it") from None
    except _DAMAGED as error:
        reason = str(error) or type(error).__name__
        message = "is damaged, or its compression is not supported"
        raise CorpusError(f"{path}: {message} ({reason})") from None
    except RuntimeError as error:  # from zipfile, for an encrypted member
        raise CorpusError(f"{path}: cannot be decompressed ({error})") from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


class Fingerprint:
    """SHA-256 of the documents of each split; the order of the splits does not matter."""

    def __init__(self) -> None:
        self._digests: dict[str, hashlib._Hash] = {}

    @property
    def splits(self) -> tuple[str, ...]:
        """All splits, `train` first, the others sorted by name."""
        return tuple(sorted(self._digests, key=lambda name: (name != "train", name)))

    def add(self, split: str, document: Document) -> None:
        """Add the text of a document, and a byte that UTF-8 never has."""
        digest = self._digests.setdefault(split, hashlib.sha256())
        for piece in text_pieces(document):
            digest.update(piece.encode("utf-8", "surrogatepass"))
        digest.update(b"\xff")

    def add_bytes(self, split: str, data: bytes) -> None:
        """Add data other than text."""
        self._digests.setdefault(split, hashlib.sha256()).update(data)

    def __str__(self) -> str:
        if self.splits == ("train",):
            return self._digests["train"].hexdigest()
        combined = hashlib.sha256()
        for name in self.splits:
            combined.update(name.encode("utf-8", "surrogatepass") + b"\xff")
            combined.update(self._digests[name].digest())
        return combined.hexdigest()


def fingerprint(corpus: Corpus) -> str:
    """Read every split of a corpus of text, and return a hash of its content."""
    content = Fingerprint()
    for split in corpus.splits:
        for document in corpus.documents(split):
            content.add(split, document)
    return str(content)


@contextmanager
def _open(path: Path, member: str | None) -> Iterator[tuple[IO[bytes], int | None]]:
    """Open a file, or a pipe, for reading bytes.

    The second value is their compressed size; None: they are not compressed.
    """
    with path.open("rb") as raw:
        size: int | None = None
        opened: IO[bytes] = raw
        if path.suffix.lower() == ".gz":
            opened = cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
            size = path.stat().st_size
        elif path.suffix.lower() == ".zip":
            archive = zipfile.ZipFile(raw)
            info = _member(archive, member, path)
            opened, size = open_member(archive, info), info.compress_size
        with opened as file:
            yield file, size


def _member(archive: zipfile.ZipFile, member: str | None, path: Path) -> zipfile.ZipInfo:
    if "" in archive.namelist():
        raise zipfile.BadZipFile("it holds a file without a name")
    files = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    names = [name for name in files if not name.startswith("__MACOSX/")]
    if member is None and len(names) == 1:
        member = names[0]
    if member in files:
        return files[member]
    if not names:
        raise CorpusError(f"{path}: is empty: it holds no file")
    problem = f"has no member '{member}'" if member else "needs `member: NAME` of `corpus: text`"
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    raise CorpusError(f"{path}: {problem}; it holds {len(names)} files: {shown}")


def _chunks(file: IO[bytes], compressed: int | None, path: Path) -> Iterator[bytes]:
    total = 0
    while chunk := file.read(PIECE):
        total += len(chunk)
        if compressed is not None:
            check_ratio(total, compressed, path)
        yield chunk
    if not total and not compressed:
        raise CorpusError(f"{path}: is empty")


def check_ratio(decompressed: int, compressed: int, path: Path) -> None:
    """Refuse data that is compressed far more than text can be.

    Raises:
        CorpusError: the ratio is too large.
    """
    if decompressed > max(MIN_SUSPICIOUS, MAX_RATIO * compressed):
        raise CorpusError(
            f"{path}: decompresses to more than {MAX_RATIO} times its {compressed:,} bytes, which"
            " no text does"
        )


def _decode(chunks: Iterator[bytes], encoding: str, path: Path) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = 0  # bytes before the chunk
    started = False
    head = chunk = b""
    try:
        for chunk in chunks:
            if not head and (kind := kind_of_file(path, chunk[:HEAD], certainly=True)):
                raise CorpusError(f"{path}: is {kind}")
            head = head or chunk[:HEAD]
            pending = len(decoder.getstate()[0])
            text = decoder.decode(chunk)
            yield text if started else text.removeprefix("\ufeff")  # the byte order mark
            started = started or bool(text)
            offset += len(chunk)
        pending = len(decoder.getstate()[0])
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        byte = offset - pending + error.start
        problem = f"is not {encoding} at byte {byte:,} ({error.reason})"
        sample = chunk[max(0, error.start - pending - SAMPLE // 2) :]
        told = what_it_may_be(
            path,
            head,
            sample,
            remedy=lambda encoding: OptionValue("encoding", encoding),
            otherwise="`corpus: binary` reads any file as its bytes",
        )
        raise CorpusError(f"{path}: {problem}; {told}") from None


def replace_newlines(pieces: Iterator[str], newlines: Newlines) -> Iterator[str]:
    """Keep line breaks, or replace them by LF or by spaces, in a text that comes in pieces."""
    if newlines == "keep":
        yield from pieces
    elif newlines == "space":
        table = str.maketrans("\r\n", "  ")
        yield from (piece.translate(table) for piece in pieces)
    else:
        decoder = io.IncrementalNewlineDecoder(None, translate=True)
        yield from (decoder.decode(piece) for piece in pieces)
        yield decoder.decode("", final=True)
