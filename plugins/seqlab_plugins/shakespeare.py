"""Tiny Shakespeare, the text that small models of English are compared on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seqlab import Corpus, Document, hookimpl
from seqlab_plugins.published import Published
from seqlab_plugins.text_files import fingerprint, read_pieces

PLAYS = Published(
    what="Tiny Shakespeare",
    name="tinyshakespeare.txt",
    size="1.1 MB",
    sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    home="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
)
SHARE = 0.9  # of the characters, which is where everybody cuts


class TinyShakespeare:
    """1,115,394 characters of Shakespeare's plays, the first nine tenths of which are `train`.

    Collected by Karpathy for char-rnn, 2015. The cut is the usual one, at 1,003,854 characters, so
    that the loss of `valid` compares with published ones. The file is not shipped: it is looked
    for in `path`, $SEQLAB_DATA, data/ and the cache folder, then downloaded from its public home;
    its SHA-256 must be the known one.

    Args:
        path: the text, if it lies elsewhere.
    """

    splits = ("train", "valid")

    def __init__(self, *, path: Path | None = None) -> None:
        self.files = [PLAYS.locate(path)]

    def documents(self, split: str) -> Iterator[Document]:
        yield self._text(split)

    def fingerprint(self) -> str:
        return fingerprint([self._text(split)] for split in self.splits)

    def _text(self, split: str) -> str:
        text = "".join(read_pieces(self.files[0]))
        cut = int(SHARE * len(text))
        return text[:cut] if split == "train" else text[cut:]


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"tiny_shakespeare": TinyShakespeare}
