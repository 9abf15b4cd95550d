"""Tiny Shakespeare, a common benchmark of small language models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seqlab import Corpus, Document, hookimpl
from seqlab_plugins.corpora.published import PublishedFile
from seqlab_plugins.corpora.text_files import fingerprint, read_pieces

SHAKESPEARE = PublishedFile(
    name="tinyshakespeare.txt",
    title="Tiny Shakespeare",
    sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    path="karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e"
    "/data/tinyshakespeare/input.txt",
    other_names=("input.txt",),
)
CHARACTERS = 1_115_394
TRAINED = int(CHARACTERS * 0.9)  # 1,003,854, the usual split


class TinyShakespeare:
    """1,115,394 characters of Shakespeare's plays: nine tenths to train, the last one is `valid`.

    They do not come with seqlab: the file is searched in `path`, $SEQLAB_DATA, data/ and the cache
    folder, as tinyshakespeare.txt or input.txt, then downloaded. Its SHA-256 must be the known
    one.

    Args:
        path: the file, if it is elsewhere.
    """

    splits = ("train", "valid")

    def __init__(self, *, path: Path | None = None) -> None:
        self.files = [SHAKESPEARE.get(path)]

    def documents(self, split: str) -> Iterator[Document]:
        yield self._pieces(split)

    def fingerprint(self) -> str:
        return fingerprint(self)

    def _pieces(self, split: str) -> Iterator[str]:
        left = TRAINED  # characters until the cut
        for piece in read_pieces(self.files[0]):
            part = piece[: max(left, 0)] if split == "train" else piece[max(left, 0) :]
            left -= len(piece)
            if part:
                yield part


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"tiny_shakespeare": TinyShakespeare}
