"""Published files that do not come with seqlab: search, download, and check of the SHA-256."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from seqlab import CorpusError, CorpusUnavailable
from seqlab.offline import why_offline
from seqlab_plugins.corpora.split_files import unreadable

log = logging.getLogger("seqlab.published")

HOST = "https://raw.githubusercontent.com/"
TIMEOUT = 10  # seconds without an answer


@dataclass(frozen=True)
class PublishedFile:
    """A file that others published.

    Args:
        name: its name on this machine.
        title: its content, in a message.
        sha256: the SHA-256 of its bytes.
        path: the path of its URL on `HOST`, or its URL.
        other_names: more names to search for; a file of such a name may be another file.
        unpacked_sha256: of what is in it, if it is a zip that others may have unpacked.
    """

    name: str
    title: str
    sha256: str
    path: str
    other_names: tuple[str, ...] = ()
    unpacked_sha256: str = ""

    @property
    def url(self) -> str:
        return self.path if "://" in self.path else HOST + self.path

    def get(self, path: Path | None = None) -> Path:
        """Return the path of the file: `path`, or where it is found or downloaded to.

        It is searched in $SEQLAB_DATA, data/ and the cache folder, and then downloaded into the
        cache, unless $SEQLAB_OFFLINE is set.

        Raises:
            CorpusError: it is another file, or there is none at `path`.
            CorpusUnavailable: it is not found, and cannot be downloaded.
        """
        return self._check(path) if path else self._find() or self._download()

    def copy_at(self, path: Path) -> Path:
        """Return the path of a copy that somebody has; that it is another file is logged.

        Raises:
            CorpusError: there is none.
        """
        digest = _sha256(path)
        if digest not in (self.sha256, self.unpacked_sha256):
            log.warning(
                "%s is not the published file with %s: its SHA-256 begins with %s, not %s; numbers"
                " of published tables are not for it",
                path, self.title, digest[:12], self.sha256[:12]
            )  # fmt: skip
        return path

    def _find(self) -> Path | None:
        for folder in (os.environ.get("SEQLAB_DATA", ""), "data", _cache()):
            if not folder:
                continue
            if Path(folder, self.name).is_file():
                return self._check(Path(folder, self.name))
            for name in self.other_names:
                if Path(folder, name).is_file() and _sha256(Path(folder, name)) == self.sha256:
                    return Path(folder, name)
        return None

    def _check(self, path: Path) -> Path:
        digest = _sha256(path)
        if digest != self.sha256:
            raise CorpusError(
                f"{path}: is not the published file with {self.title} (its SHA-256 begins with"
                f" {digest[:12]}, not {self.sha256[:12]}); for a text of your own use the corpus"
                " `text`"
            )
        return path

    def _download(self) -> Path:
        if reason := why_offline():
            raise self._unavailable(reason)
        import pooch

        log.info("Downloading %s from %s", self.title, self.url)
        pooch.get_logger().setLevel(logging.WARNING)
        fetch = pooch.HTTPDownloader(timeout=TIMEOUT)
        known = f"sha256:{self.sha256}"
        try:
            return Path(pooch.retrieve(self.url, known, self.name, _cache(), downloader=fetch))
        except (OSError, ValueError):  # the errors of requests are OSErrors
            raise self._unavailable("the download failed") from None

    def _unavailable(self, why: str) -> CorpusUnavailable:
        return CorpusUnavailable(
            f"{self.name} is neither in $SEQLAB_DATA nor in data/ nor in the cache, and {why}; to"
            f" use {self.title}, put that file into data/ (from {self.url})."
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
        raise unreadable(path, error) from None
