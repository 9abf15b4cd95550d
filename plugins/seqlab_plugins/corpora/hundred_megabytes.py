"""text8 and enwik8: the first hundred million bytes of a Wikipedia, with and without markup."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqlab import Corpus, CorpusError, Document, Ids, hookimpl
from seqlab_plugins.corpora.published import PublishedFile
from seqlab_plugins.corpora.split_files import unreadable
from seqlab_plugins.corpora.text_files import Fingerprint, fingerprint

SHARES = {"train": (0.0, 0.9), "valid": (0.9, 0.95), "test": (0.95, 1.0)}
TEXT8 = PublishedFile(
    name="text8.zip",
    title="text8",
    sha256="a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
    path="https://mattmahoney.net/dc/text8.zip",
    unpacked_sha256="6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7",
)
ENWIK8 = PublishedFile(
    name="enwik8.zip",
    title="enwik8",
    sha256="547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc",
    path="https://mattmahoney.net/dc/enwik8.zip",
    unpacked_sha256="2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8",
)


class _HundredMegabytes:
    """A file of bytes, of which nine tenths are trained, and two twentieths are held out."""

    splits = tuple(SHARES)

    def __init__(self, published: PublishedFile, path: Path | None) -> None:
        self.files = [published.copy_at(path) if path else published.get()]

    @cached_property
    def _bytes(self) -> NDArray[np.uint8]:
        path = self.files[0]
        try:
            if not zipfile.is_zipfile(path):
                return np.fromfile(path, dtype=np.uint8)
            with zipfile.ZipFile(path) as archive:
                return np.frombuffer(archive.read(archive.namelist()[0]), dtype=np.uint8)
        except (OSError, ValueError, IndexError, zipfile.BadZipFile) as error:
            raise unreadable(path, OSError(str(error))) from None

    def _part(self, split: str) -> NDArray[np.uint8]:
        """The bytes of a split."""
        begin, end = (round(len(self._bytes) * share) for share in SHARES[split])
        if begin == end:
            raise CorpusError(f"{self.files[0]}: its {len(self._bytes):,} bytes are no {split}")
        return self._bytes[begin:end]


class Text8(_HundredMegabytes):
    """text8: 100 million letters and spaces of Wikipedia (Mahoney, 2006).

    90 million to train, 5 million each in `valid` and `test`. It does not come with seqlab:
    text8.zip is searched in `path`, $SEQLAB_DATA, data/ and the cache folder, then downloaded. A
    copy in `path` that differs is used, which is logged.

    Args:
        path: the zip, or the file that was in it.
    """

    def __init__(self, *, path: Path | None = None) -> None:
        super().__init__(TEXT8, path)

    def documents(self, split: str) -> Iterator[Document]:
        try:
            yield self._part(split).tobytes().decode("ascii")
        except UnicodeDecodeError:
            raise CorpusError(f"{self.files[0]}: is not text8, which has ASCII alone") from None

    def fingerprint(self) -> str:
        return fingerprint(self)


class Enwik8(_HundredMegabytes):
    """enwik8: the first 100 million bytes of Wikipedia's XML (Mahoney, 2006; Hutter Prize).

    90 million bytes to train, 5 million each in `valid` and `test`. Use it with `tokenizer: bytes`:
    published bits per character are bits per byte. It does not come with seqlab: enwik8.zip is
    searched in `path`, $SEQLAB_DATA, data/ and the cache folder, then downloaded. A copy in `path`
    that differs is used, which is logged.

    Args:
        path: the zip, or the file that was in it.
    """

    def __init__(self, *, path: Path | None = None) -> None:
        super().__init__(ENWIK8, path)

    def documents(self, split: str) -> Iterator[Document]:
        yield Ids(self._part(split))

    def fingerprint(self) -> str:
        content = Fingerprint()
        for split in self.splits:
            content.add_bytes(split, self._part(split).tobytes())
        return str(content)


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"text8": Text8, "enwik8": Enwik8}
