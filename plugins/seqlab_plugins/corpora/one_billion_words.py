"""The One Billion Word benchmark, whose text is a hundred files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from seqlab import Corpus, CorpusError, CorpusUnavailable, Document, hookimpl
from seqlab_plugins.corpora.text_files import fingerprint, read_pieces

NAME = "1-billion-word-language-modeling-benchmark-r13output"
URL = f"https://www.statmt.org/lm-benchmark/{NAME}.tar.gz"
SHARDS = {
    "train": "training-monolingual.tokenized.shuffled/news.en-[0-9]*",
    "valid": "heldout-monolingual.tokenized.shuffled/news.en.heldout-[0-9]*",
    "test": "heldout-monolingual.tokenized.shuffled/news.en.heldout-00000-of-*",
}


class OneBillionWords:
    """One Billion Words: Chelba et al., 2014, arXiv:1312.3005: shuffled sentences of news.

    829 million words to train, in 99 shards of 42 MB; of the 50 shards that are held out, `test` is
    the first one, which published tables are of, and `valid` are the others. Each shard is a
    document, which is read in pieces. Use it with `tokenizer: {name: words, boundaries:
    whitespace, end_of_line: <eos>, most_frequent: N, unknown: token}`: the text has no <unk>. It
    neither comes with seqlab nor is downloaded: its unpacked folder is searched in `path`,
    $SEQLAB_DATA and data/. Some of the shards are enough.

    Args:
        path: the unpacked folder, or the one that it is in.
    """

    splits = tuple(SHARDS)

    def __init__(self, *, path: Path | None = None) -> None:
        folder = _unpacked(path) if path else _found()
        files = {split: sorted(folder.glob(glob)) for split, glob in SHARDS.items()}
        files["valid"] = [file for file in files["valid"] if file not in files["test"]]
        for split, shards in files.items():
            if not shards:
                raise CorpusError(
                    f"{folder}: has no shard of the split '{split}' ({SHARDS[split]})"
                )
        self._files = files

    @property
    def files(self) -> list[Path]:
        """Each shard once."""
        return [file for shards in self._files.values() for file in shards]

    def split_files(self) -> dict[str, list[Path]]:
        """The shards of each split."""
        return self._files

    def documents(self, split: str) -> Iterator[Document]:
        yield from map(read_pieces, self._files[split])

    def fingerprint(self) -> str:
        return fingerprint(self)


def _unpacked(path: Path) -> Path:
    """The folder at a path, or the one of the published name in it."""
    if not path.is_dir():
        what = "is not the unpacked folder" if path.exists() else "there is no such folder"
        raise CorpusError(f"{path}: {what}; `tar -xf {NAME}.tar.gz` makes it")
    return path / NAME if (path / NAME).is_dir() else path


def _found() -> Path:
    for folder in (os.environ.get("SEQLAB_DATA", ""), "data"):
        if folder and Path(folder, NAME).is_dir():
            return Path(folder, NAME)
    raise CorpusUnavailable(
        f"{NAME} is neither in $SEQLAB_DATA nor in data/; to use One Billion Words, unpack"
        f" {NAME}.tar.gz there (1.8 GB, from {URL})."
    )


@hookimpl
def seqlab_register_corpora() -> dict[str, type[Corpus]]:
    return {"one_billion_words": OneBillionWords}
