"""The lyrics of the textbook's example, and free lyrics that come with seqlab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seqlab import Corpus, Document, hookimpl
from seqlab_plugins.corpora.published import PublishedFile
from seqlab_plugins.corpora.text_files import Newlines, fingerprint, read_pieces

LYRICS = PublishedFile(
    name="jaychou_lyrics.txt.zip",
    title="the lyrics",
    sha256="3cfedd7d174111cdad5a27eaffaa6a2432a2842cf2590a03dd8a97610ea07043",
    path="ShusenTang/Dive-into-DL-PyTorch/09c8bacc08599eb86236551454ba43b82cb91498"
    "/data/jaychou_lyrics.txt.zip",
)


class _OneFile:
    """A corpus of one file, which is one document."""

    splits = ("train",)

    def __init__(self, path: Path, newlines: Newlines) -> None:
        self.files = [path]
        self._newlines = newlines

    def documents(self, split: str) -> Iterator[Document]:
        yield read_pieces(self.files[0], newlines=self._newlines)

    def fingerprint(self) -> str:
        return fingerprint(self)


class JayLyrics(_OneFile):
    """63,282 characters of Jay Chou's lyrics, the corpus of the textbook's RNN.

    They do not come with seqlab: the zip is searched in `path`, $SEQLAB_DATA, data/ and the cache
    folder, then downloaded. Its SHA-256 must be the known one.

    Args:
        path: the zip, if it is elsewhere.
        newlines: the textbook replaces each by a space.
    """

    def __init__(self, *, path: Path | None = None, newlines: Newlines = "space") -> None:
        super().__init__(LYRICS.get(path), newlines)


class OriginalLyrics(_OneFile):
    """About fifty Mandarin songs written for this project (CC0): always available.

    Args:
        newlines: as in jay_lyrics.
    """

    def __init__(self, *, newlines: Newlines = "space") -> None:
        here = Path(__file__).parents[1]
        folders = (here / "data", here.parents[1] / "data")  # in a wheel; in a checkout
        files = [folder / "original_lyrics.txt" for folder in folders]
        super().__init__(next((file for file in files if file.is_file()), files[0]), newlines)


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"jay_lyrics": JayLyrics, "original_lyrics": OriginalLyrics}
