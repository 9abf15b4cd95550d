"""The lyrics of the textbook's example, and lyrics of our own that may be shipped."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_cache_path

from seqlab import Corpus, CorpusError, CorpusUnavailable, Document, hookimpl
from seqlab_plugins.text_files import Newlines, fingerprint, read_pieces

log = logging.getLogger("seqlab.lyrics")

FILE = "jaychou_lyrics.txt.zip"
SHA256 = "3cfedd7d174111cdad5a27eaffaa6a2432a2842cf2590a03dd8a97610ea07043"
HOME = (
    "https://raw.githubusercontent.com/ShusenTang/Dive-into-DL-PyTorch/"
    "09c8bacc08599eb86236551454ba43b82cb91498/data/jaychou_lyrics.txt.zip"
)
TIMEOUT = 10  # seconds without an answer


class _OneFile:
    """One document that one file holds."""

    splits = ("train",)

    def __init__(self, path: Path, newlines: Newlines) -> None:
        self._path = path
        self._newlines = newlines

    def documents(self, split: str) -> Iterator[Document]:
        yield self._pieces()

    def fingerprint(self) -> str:
        return fingerprint([self._pieces()])

    def _pieces(self) -> Iterator[str]:
        return read_pieces(self._path, newlines=self._newlines)


class JayLyrics(_OneFile):
    """63,282 characters of Jay Chou's lyrics, the corpus of the textbook's RNN.

    They are not shipped: the zip is looked for in `path`, $SEQLAB_DATA, data/ and the cache
    folder, then downloaded from its public home; its SHA-256 must be the known one.

    Args:
        path: the zip, if it lies elsewhere.
        newlines: the textbook reads each as a space.
    """

    def __init__(self, *, path: Path | None = None, newlines: Newlines = "space") -> None:
        super().__init__(_checked(path) if path else _find() or _download(), newlines)


class OriginalLyrics(_OneFile):
    """About fifty Mandarin songs written for this project (CC0): a stand-in that is always there.

    Args:
        newlines: as in jay_lyrics.
    """

    def __init__(self, *, newlines: Newlines = "space") -> None:
        here = Path(__file__).parent
        places = (here / "data", here.parents[1] / "data")  # in a wheel; in a checkout
        files = [place / "original_lyrics.txt" for place in places]
        super().__init__(next((file for file in files if file.is_file()), files[0]), newlines)


def _cache() -> Path:
    return user_cache_path("seqlab") / "corpora"


def _find() -> Path | None:
    folders = (os.environ.get("SEQLAB_DATA", ""), "data", _cache())
    files = [Path(folder) / FILE for folder in folders if folder]
    found = next((file for file in files if file.is_file()), None)
    return _checked(found) if found else None


def _checked(path: Path) -> Path:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise CorpusError(f"{path}: there is no such file") from None
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror})") from None
    if digest != SHA256:
        raise CorpusError(
            f"{path}: is another file than the lyrics that results are published for (its SHA-256"
            f" begins with {digest[:12]}, not {SHA256[:12]}); for a text of your own use the corpus"
            " `text`"
        )
    return path


def _download() -> Path:
    import pooch

    log.info("Downloading the lyrics, 52 kB, from %s", HOME)
    pooch.get_logger().setLevel(logging.WARNING)
    fetch = pooch.HTTPDownloader(timeout=TIMEOUT)
    try:
        return Path(pooch.retrieve(HOME, f"sha256:{SHA256}", FILE, _cache(), downloader=fetch))
    except (OSError, ValueError):  # what requests raises is an OSError
        raise CorpusUnavailable(
            f"{FILE} is neither in $SEQLAB_DATA nor in data/ nor in the cache, and the download"
            f" failed; to use the real lyrics, put that file into data/ (from {HOME})."
        ) from None


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"jay_lyrics": JayLyrics, "original_lyrics": OriginalLyrics}
