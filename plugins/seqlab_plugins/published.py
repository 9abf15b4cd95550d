"""Files that results are published for: found, or downloaded, and always checked by their hash."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from seqlab import CorpusError, CorpusUnavailable, Document
from seqlab_plugins.text_files import Newlines, fingerprint, read_pieces

log = logging.getLogger("seqlab.published")

TIMEOUT = 10  # seconds without an answer


@dataclass(frozen=True)
class Published:
    """A file that is not shipped: `what` it holds, in words, and its public home."""

    what: str
    name: str
    size: str
    sha256: str
    home: str

    def locate(self, path: Path | None) -> Path:
        """Return where it lies: at `path`, in $SEQLAB_DATA, data/ or the cache, or downloaded.

        Raises:
            CorpusError: it is another file.
            CorpusUnavailable: it is nowhere, and cannot be downloaded.
        """
        return self._checked(path) if path else self._find() or self._download()

    def _find(self) -> Path | None:
        folders = (os.environ.get("SEQLAB_DATA", ""), "data", _cache())
        files = [Path(folder) / self.name for folder in folders if folder]
        found = next((file for file in files if file.is_file()), None)
        return self._checked(found) if found else None

    def _checked(self, path: Path) -> Path:
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError:
            raise CorpusError(f"{path}: there is no such file") from None
        except OSError as error:
            raise CorpusError(f"{path}: cannot be read ({error.strerror})") from None
        if digest != self.sha256:
            raise CorpusError(
                f"{path}: is another file than the one that results are published for (its SHA-256"
                f" begins with {digest[:12]}, not {self.sha256[:12]}); for a text of your own use"
                " the corpus `text`"
            )
        return path

    def _download(self) -> Path:
        import pooch

        log.info("Downloading %s, %s, from %s", self.what, self.size, self.home)
        pooch.get_logger().setLevel(logging.WARNING)
        fetch = pooch.HTTPDownloader(timeout=TIMEOUT)
        known = f"sha256:{self.sha256}"
        try:
            return Path(pooch.retrieve(self.home, known, self.name, _cache(), downloader=fetch))
        except (OSError, ValueError):  # what requests raises is an OSError
            raise CorpusUnavailable(
                f"{self.name} is neither in $SEQLAB_DATA nor in data/ nor in the cache, and the"
                f" download failed; to use {self.what}, put that file into data/ (from"
                f" {self.home})."
            ) from None


class OneFile:
    """One document that one file holds."""

    splits: tuple[str, ...] = ("train",)

    def __init__(self, path: Path, newlines: Newlines) -> None:
        self.files = [path]
        self._newlines = newlines

    def documents(self, split: str) -> Iterator[Document]:
        yield self._pieces()

    def fingerprint(self) -> str:
        return fingerprint([self._pieces()])

    def _pieces(self) -> Iterator[str]:
        return read_pieces(self.files[0], newlines=self._newlines)


def _cache() -> Path:
    return user_cache_path("seqlab") / "corpora"
