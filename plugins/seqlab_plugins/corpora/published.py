"""Files that are found or downloaded, never shipped, and known by their SHA-256."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from seqlab import CorpusError, CorpusUnavailable
from seqlab.offline import why_offline

log = logging.getLogger("seqlab.published")

HOST = "https://raw.githubusercontent.com/"
TIMEOUT = 10  # seconds without an answer


@dataclass(frozen=True)
class Published:
    """A file that others published.

    Args:
        name: what it is called here.
        what: what it holds, for a sentence.
        sha256: of its bytes.
        place: where it is published, below `HOST`.
        also: names that it may have as well; another file under such a name is nobody's mistake.
    """

    name: str
    what: str
    sha256: str
    place: str
    also: tuple[str, ...] = ()

    @property
    def home(self) -> str:
        """Where it can be downloaded."""
        return HOST + self.place

    def get(self, path: Path | None = None) -> Path:
        """Return where the file lies: at `path`, or in a folder where it is looked for.

        These are $SEQLAB_DATA, data/ and the cache folder; at last it is downloaded into the cache,
        unless $SEQLAB_OFFLINE says that nothing is.

        Raises:
            CorpusError: it is another file, or there is none at `path`.
            CorpusUnavailable: it is nowhere, and cannot be downloaded.
        """
        return self._checked(path) if path else self._find() or self._download()

    def _find(self) -> Path | None:
        for folder in (os.environ.get("SEQLAB_DATA", ""), "data", _cache()):
            if not folder:
                continue
            if Path(folder, self.name).is_file():
                return self._checked(Path(folder, self.name))
            for name in self.also:
                if Path(folder, name).is_file() and _sha256(Path(folder, name)) == self.sha256:
                    return Path(folder, name)
        return None

    def _checked(self, path: Path) -> Path:
        digest = _sha256(path)
        if digest != self.sha256:
            raise CorpusError(
                f"{path}: is another file than {self.what} that results are published for (its"
                f" SHA-256 begins with {digest[:12]}, not {self.sha256[:12]}); for a text of your"
                " own use the corpus `text`"
            )
        return path

    def _download(self) -> Path:
        if reason := why_offline():
            raise self._unavailable(reason)
        import pooch

        log.info("Downloading %s from %s", self.what, self.home)
        pooch.get_logger().setLevel(logging.WARNING)
        fetch = pooch.HTTPDownloader(timeout=TIMEOUT)
        known = f"sha256:{self.sha256}"
        try:
            return Path(pooch.retrieve(self.home, known, self.name, _cache(), downloader=fetch))
        except (OSError, ValueError):  # what requests raises is an OSError
            raise self._unavailable("the download failed") from None

    def _unavailable(self, why: str) -> CorpusUnavailable:
        return CorpusUnavailable(
            f"{self.name} is neither in $SEQLAB_DATA nor in data/ nor in the cache, and {why}; to"
            f" use {self.what}, put that file into data/ (from {self.home})."
        )


def _cache() -> Path:
    return user_cache_path("seqlab") / "corpora"


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise CorpusError(f"{path}: there is no such file") from None
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror})") from None
