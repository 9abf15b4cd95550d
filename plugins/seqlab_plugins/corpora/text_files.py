"""Text out of files: plain, gzip or zip, in any declared encoding, read in pieces."""

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
from seqlab_plugins.corpora.zip_members import open_member

Newlines = Literal["keep", "lf", "space"]

_DAMAGED = (
    *(zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError),
)

PIECE = 1 << 20  # bytes
MAX_RATIO = 200  # unpacked over packed; Chinese or English text reaches about 4
MIN_SUSPICIOUS = 16 << 20  # bytes


def read_pieces(
    path: Path, *, encoding: str = "utf-8", newlines: Newlines = "lf", member: str | None = None
) -> Iterator[str]:
    """Yield the text of a file in pieces of about a mebibyte.

    Args:
        path: a text file, or one packed as `.gz` or `.zip`.
        encoding: any that Python knows; a byte order mark at the start is left out.
        newlines: keep them; make them all LF; or make every CR and LF a space.
        member: which file of a zip; None: the only one.

    Raises:
        CorpusUnavailable: there is no such file.
        CorpusError: it cannot be read, unpacked or decoded.
    """
    try:
        with _open(path, member) as (file, packed):
            chunks = _chunks(file, packed, path)
            yield from _mapped(_decoded(chunks, encoding, path), newlines)
    except FileNotFoundError:
        raise CorpusUnavailable(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise CorpusError(f"{path}: is a folder; write {path}/*.txt for the files in it") from None
    except _DAMAGED as error:
        raise CorpusError(f"{path}: is damaged or packed in an unknown way{_why(error)}") from None
    except RuntimeError as error:  # zipfile's word for an encrypted member
        raise CorpusError(f"{path}: cannot be unpacked ({error})") from None
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: cannot be read ({_reason(error)})") from None


class Fingerprint:
    """SHA-256 of the documents of each split, in whatever order the splits are read."""

    def __init__(self) -> None:
        self._digests: dict[str, hashlib._Hash] = {}

    @property
    def splits(self) -> tuple[str, ...]:
        """What was added to: `train` first, the others by their names."""
        return tuple(sorted(self._digests, key=lambda name: (name != "train", name)))

    def add(self, split: str, document: Document) -> None:
        """Add the text of a document; its end is a byte that UTF-8 never has."""
        digest = self._digests.setdefault(split, hashlib.sha256())
        for piece in text_pieces(document):
            digest.update(piece.encode("utf-8", "surrogatepass"))
        digest.update(b"\xff")

    def add_bytes(self, split: str, data: bytes) -> None:
        """Add something that is no text."""
        self._digests.setdefault(split, hashlib.sha256()).update(data)

    def __str__(self) -> str:
        if self.splits == ("train",):
            return self._digests["train"].hexdigest()
        whole = hashlib.sha256()
        for name in self.splits:
            whole.update(name.encode("utf-8", "surrogatepass") + b"\xff")
            whole.update(self._digests[name].digest())
        return whole.hexdigest()


def fingerprint(corpus: Corpus) -> str:
    """Read every split of a corpus of text, and say what its content is."""
    content = Fingerprint()
    for split in corpus.splits:
        for document in corpus.documents(split):
            content.add(split, document)
    return str(content)


def _why(error: Exception) -> str:
    """The library's words in brackets; some errors have none."""
    return f" ({error})" if str(error) else f" ({type(error).__name__})"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


@contextmanager
def _open(path: Path, member: str | None) -> Iterator[tuple[IO[bytes], int]]:
    """Open for reading bytes; the second value is how many packed bytes they come from."""
    with path.open("rb") as raw:
        size = path.stat().st_size
        opened: IO[bytes] = raw
        if path.suffix.lower() == ".gz":
            opened = cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
        elif path.suffix.lower() == ".zip":
            archive = zipfile.ZipFile(raw)
            info = _member(archive, member, path)
            opened, size = open_member(archive, info), info.compress_size
        with opened as file:
            yield file, size


def _member(archive: zipfile.ZipFile, member: str | None, path: Path) -> zipfile.ZipInfo:
    if "" in archive.namelist():
        raise zipfile.BadZipFile("it holds a file without a name")
    files = {i.filename: i for i in archive.infolist() if not i.is_dir()}
    names = [name for name in files if not name.startswith("__MACOSX/")]
    if member is None and len(names) == 1:
        member = names[0]
    if member in files:
        return files[member]
    if not names:
        raise CorpusError(f"{path}: is empty: it holds no file")
    wanted = f"has no member '{member}'" if member else "needs `member: NAME` of `corpus: text`"
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    raise CorpusError(f"{path}: {wanted}; it holds {len(names)} files: {shown}")


def _chunks(file: IO[bytes], packed: int, path: Path) -> Iterator[bytes]:
    """Read on while the unpacked size is in proportion to the packed one."""
    total = 0
    if not packed:
        raise CorpusError(f"{path}: is empty")
    while chunk := file.read(PIECE):
        total += len(chunk)
        expect_text(total, packed, path)
        yield chunk


def expect_text(unpacked: int, packed: int, path: Path) -> None:
    """See to it that bytes are unpacked in proportion to the packed ones.

    Raises:
        CorpusError: they are not.
    """
    if unpacked > max(MIN_SUSPICIOUS, MAX_RATIO * packed):
        raise CorpusError(
            f"{path}: unpacks to more than {MAX_RATIO} times its {packed:,} bytes; that is no text"
        )


def _decoded(chunks: Iterator[bytes], encoding: str, path: Path) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = 0  # bytes before the chunk
    begun = False
    try:
        for chunk in chunks:
            waiting = len(decoder.getstate()[0])
            text = decoder.decode(chunk)
            yield text if begun else text.removeprefix("\ufeff")  # a mark of the order of bytes
            begun = begun or bool(text)
            offset += len(chunk)
        waiting = len(decoder.getstate()[0])
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        place = offset - waiting + error.start
        raise CorpusError(f"{path}: is not {encoding} at byte {place:,} ({error.reason})") from None


def _mapped(pieces: Iterator[str], newlines: Newlines) -> Iterator[str]:
    if newlines == "keep":
        yield from pieces
    elif newlines == "space":
        table = str.maketrans("\r\n", "  ")
        yield from (piece.translate(table) for piece in pieces)
    else:
        decoder = io.IncrementalNewlineDecoder(None, translate=True)
        yield from (decoder.decode(piece) for piece in pieces)
        yield decoder.decode("", final=True)
